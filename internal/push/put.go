package push

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/presigned"
	"github.com/holdfast-backup/holdfast/internal/secret"
)

// NewHTTPClient returns a client fit for sending parts. A part that makes no headway
// is noticed otherwise.
func NewHTTPClient() *http.Client { return presigned.NewUploadClient(poolBlocks) }

// storeError is an answer of the store other than success.
type storeError struct {
	status int
	code   string // S3's name for it, if it gave one
}

func (e *storeError) Error() string {
	text := fmt.Sprintf("store answered %d %s", e.status, http.StatusText(e.status))
	if e.code != "" {
		text += " (" + e.code + ")"
	}
	return text
}

// Is makes a full store holdfast.ErrFull.
func (e *storeError) Is(target error) bool {
	return target == holdfast.ErrFull && e.status == http.StatusInsufficientStorage
}

var errorCode = regexp.MustCompile(`<Code>([A-Za-z0-9]{1,64})</Code>`)

// maxAnswer bounds what is read of the store's answer, in bytes.
const maxAnswer = 64 << 10

// put sends the size bytes of body as the signed request and returns the ETag of
// the answer. No error holds the request's URL.
func put(ctx context.Context, client *http.Client, r holdfast.Request, body *Body, size int64) (string, error) {
	ctx, stop := body.Watch(ctx, body.stall)
	defer stop()
	// The body is closed by who made it, once nobody sends it any more.
	req, err := presigned.NewRequest(ctx, r, io.NopCloser(body), size)
	if err != nil {
		return "", err
	}
	resp, err := presigned.Do(client, req)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return "", cause
		}
		return "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		e := &storeError{status: resp.StatusCode}
		if m := errorCode.FindSubmatch(answer); m != nil {
			e.code = string(m[1])
		}
		return "", e
	}
	if err != nil {
		return "", fmt.Errorf("read the store's answer: %w", secret.WithoutURL(err))
	}
	return resp.Header.Get("ETag"), nil
}
