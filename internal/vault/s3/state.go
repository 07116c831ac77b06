package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"

	"github.com/holdfast-backup/holdfast"
)

// Load implements holdfast.Stater. The tag is the object's ETag.
func (v *Vault) Load(ctx context.Context, key string) ([]byte, string, error) {
	body, tag, err := v.load(ctx, key)
	if err != nil {
		return nil, "", fmt.Errorf("load %q: %w", key, cause(ctx, err))
	}
	return body, tag, nil
}

func (v *Vault) load(ctx context.Context, key string) ([]byte, string, error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	if v.checkKey(key) != nil {
		return nil, "", holdfast.ErrNotExist
	}
	for try := 1; ; try++ {
		out, err := v.client.GetObject(ctx, &s3.GetObjectInput{Bucket: v.bucket, Key: v.name(key)})
		if absent(err) {
			return nil, "", holdfast.ErrNotExist
		}
		if err != nil {
			return nil, "", err
		}
		body, err := io.ReadAll(io.LimitReader(out.Body, holdfast.MaxState+1))
		err = errors.Join(err, out.Body.Close())
		if len(body) > holdfast.MaxState {
			return nil, "", fmt.Errorf("%w: more than %d bytes", holdfast.ErrCorrupt, holdfast.MaxState)
		}
		// The SDK tries again until it has an answer, not until that is read.
		if err == nil || try == attempts || ctx.Err() != nil {
			return body, aws.ToString(out.ETag), err
		}
	}
}

// Swap implements holdfast.Stater. Where the store has no conditional writes it
// looks first, and of two writers within that moment the later one wins.
func (v *Vault) Swap(ctx context.Context, key string, body []byte, tag string) (string, error) {
	if err := v.checkKey(key); err != nil {
		return "", err
	}
	if !strings.HasPrefix(key, holdfast.StatePrefix) {
		return "", fmt.Errorf("swap %q: only what is under %s changes", key, holdfast.StatePrefix)
	}
	next, err := v.swap(ctx, key, body, tag)
	if err != nil {
		return "", fmt.Errorf("swap %q: %w", key, cause(ctx, err))
	}
	return next, nil
}

func (v *Vault) swap(ctx context.Context, key string, body []byte, tag string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	in := v.document(key, body)
	switch {
	case !v.store.ConditionalWrites:
		there, err := v.find(ctx, key)
		if err != nil {
			return "", err
		}
		if there == nil && tag != "" || there != nil && aws.ToString(there.ETag) != tag {
			return "", holdfast.ErrConflict
		}
	case tag == "":
		in.IfNoneMatch = aws.String("*")
	default:
		in.IfMatch = &tag
	}
	sent := 0
	out, err := v.client.PutObject(ctx, in, counting(&sent))
	if taken(err) || absent(err) || isCode(err, "ConditionalRequestConflict") {
		if sent > 1 {
			// An attempt before may have done it, and its answer been lost.
			if present, tag, err := v.load(ctx, key); err == nil && bytes.Equal(present, body) {
				return tag, nil
			}
		}
		return "", holdfast.ErrConflict
	}
	if err != nil {
		return "", err
	}
	return aws.ToString(out.ETag), nil
}

// counting counts the attempts at a request.
func counting(n *int) func(*s3.Options) {
	return s3.WithAPIOptions(func(stack *middleware.Stack) error {
		return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("CountAttempts", func(
			ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
		) (middleware.FinalizeOutput, middleware.Metadata, error) {
			*n++
			return next.HandleFinalize(ctx, in)
		}), "Retry", middleware.After)
	})
}
