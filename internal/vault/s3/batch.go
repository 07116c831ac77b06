package s3

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"golang.org/x/sync/errgroup"
)

// maxBatch is how many versions S3 deletes in one request.
const maxBatch = 1000

// DeleteBatch deletes each of the keys as Delete does and returns an error or nil
// for each, in their order. Keys that lie close together, as those of a job's
// backups do, take one request for 1,000 listed versions and one for 1,000
// deleted ones. Nothing is promised of the order in which they go.
func (v *Vault) DeleteBatch(ctx context.Context, keys []string) []error {
	b := &batch{vault: v, errs: map[string]error{}}
	b.run(ctx, slices.Compact(slices.Sorted(slices.Values(keys))))
	errs := make([]error, len(keys))
	for i, key := range keys {
		if err := b.errs[key]; err != nil {
			errs[i] = fmt.Errorf("delete %q: %w", key, cause(ctx, err))
		}
	}
	return errs
}

// batch is one DeleteBatch under way.
type batch struct {
	vault *Vault
	mu    sync.Mutex
	errs  map[string]error // by key
	alone []string         // keys that are better deleted one by one
}

func (b *batch) run(ctx context.Context, keys []string) {
	keys = slices.DeleteFunc(keys, func(key string) bool { return b.vault.checkKey(key) != nil })
	if len(keys) == 0 {
		return
	}
	singles, err := b.singles(ctx, keys)
	if err != nil {
		for _, key := range keys {
			b.errs[key] = err
		}
		return
	}
	for chunk := range slices.Chunk(singles, maxBatch) {
		b.deleteTogether(ctx, chunk)
	}
	var group errgroup.Group
	group.SetLimit(concurrency)
	for _, key := range b.alone {
		group.Go(func() error {
			b.note(key, b.vault.delete(ctx, key))
			return nil
		})
	}
	_ = group.Wait()
}

func (b *batch) note(key string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.errs[key] = err
}

// singles returns the versions of the keys that have one alone. The others go to
// alone, where their locks are looked at before any is deleted.
func (b *batch) singles(ctx context.Context, keys []string) ([]version, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !b.vault.store.BatchDelete {
		b.alone = keys
		return nil, nil
	}
	var singles []version
	if !b.vault.store.Versions {
		for _, key := range keys {
			singles = append(singles, version{key: key})
		}
		return singles, nil
	}
	found, err := b.vault.versions(ctx, keys)
	if missing(err) {
		b.alone = keys
		return nil, nil
	}
	for _, key := range keys {
		switch all := found[key]; len(all) {
		case 0:
		case 1:
			singles = append(singles, all[0])
		default:
			b.alone = append(b.alone, key)
		}
	}
	return singles, err
}

// deleteTogether deletes the versions in one request.
func (b *batch) deleteTogether(ctx context.Context, chunk []version) {
	v := b.vault
	// Not quietly: what is gone has to be told, or an answer that says nothing
	// would pass for success, and a manifest outlive its data.
	in := &s3.DeleteObjectsInput{Bucket: v.bucket, Delete: &types.Delete{}}
	byName := make(map[string]version, len(chunk))
	for _, one := range chunk {
		name := v.name(one.key)
		byName[*name] = one
		in.Delete.Objects = append(in.Delete.Objects, types.ObjectIdentifier{Key: name, VersionId: one.id})
	}
	var options []func(*s3.Options)
	if !v.store.SDKChecksums {
		options = append(options, withContentMD5)
	}
	out, err := v.client.DeleteObjects(ctx, in, options...)
	if err != nil {
		for _, one := range chunk {
			if missing(err) {
				b.alone = append(b.alone, one.key)
			} else {
				b.errs[one.key] = err
			}
		}
		return
	}
	for _, gone := range out.Deleted {
		delete(byName, aws.ToString(gone.Key))
	}
	var group errgroup.Group
	group.SetLimit(concurrency)
	for _, failed := range out.Errors {
		one, ok := byName[aws.ToString(failed.Key)]
		if !ok {
			continue
		}
		delete(byName, aws.ToString(failed.Key))
		err := &smithy.GenericAPIError{Code: aws.ToString(failed.Code), Message: aws.ToString(failed.Message)}
		switch err.Code {
		case "NoSuchKey", "NoSuchVersion":
		case "InternalError", "SlowDown", "ServiceUnavailable", "RequestTimeout", "OperationAborted":
			b.alone = append(b.alone, one.key) // where requests are repeated
		default:
			group.Go(func() error {
				b.note(one.key, v.refused(ctx, one, err))
				return nil
			})
		}
	}
	for _, one := range byName { // of which nothing was said
		b.alone = append(b.alone, one.key)
	}
	_ = group.Wait()
}

// withContentMD5 makes a request carry Content-MD5 instead of the SDK's own
// checksum: the deletion of many demands one, and stores other than AWS may know
// no other.
func withContentMD5(o *s3.Options) {
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		for _, id := range []string{"AWSChecksum:ComputeInputPayloadChecksum", "addInputChecksumTrailer"} {
			_, _ = stack.Finalize.Remove(id)
		}
		_, _ = stack.Initialize.Remove("AWSChecksum:SetupInputContext")
		return smithyhttp.AddContentChecksumMiddleware(stack)
	})
}
