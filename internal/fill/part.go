package fill

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/presigned"
)

const (
	attempts = 5                // to send a part
	partTime = 30 * time.Minute // for one of them: half a gigabyte on a slow line
	signTime = time.Hour        // that a signed part can be used
)

// sendPart sends a part until the target has it, and returns it with what the
// target answered.
func (c *copier) sendPart(ctx context.Context, u holdfast.Upload, p holdfast.Part, body []byte) (holdfast.Part, error) {
	for attempt := 1; ; attempt++ {
		etag, err := c.tryPart(ctx, u, p, body)
		if err == nil {
			p.ETag = etag
			return p, nil
		}
		if attempt == attempts || ctx.Err() != nil || hopeless(err) {
			return p, err
		}
		pause := min(time.Second<<(attempt-1), 15*time.Second)
		if c.wait(ctx, pause/2+rand.N(pause/2)) != nil {
			return p, err
		}
	}
}

// hopeless reports whether trying again cannot help.
func hopeless(err error) bool {
	return errors.Is(err, holdfast.ErrFull) || errors.Is(err, holdfast.ErrNotExist) || errors.Is(err, errors.ErrUnsupported)
}

func (c *copier) tryPart(ctx context.Context, u holdfast.Upload, p holdfast.Part, body []byte) (etag string, err error) {
	ctx, cancel := context.WithTimeout(ctx, partTime)
	defer cancel()
	if receiver, ok := c.to.(holdfast.Receiver); ok {
		return "", receiver.SendPart(ctx, u, p, bytes.NewReader(body))
	}
	signed, err := c.to.SignPart(ctx, u, p, signTime)
	if err != nil {
		return "", err
	}
	return c.put(ctx, signed, body)
}

// put sends a signed part. Its URL is as good as a key, so it is in no error.
func (c *copier) put(ctx context.Context, signed holdfast.Request, body []byte) (etag string, err error) {
	req, err := presigned.NewRequest(ctx, signed, bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return "", err
	}
	resp, err := presigned.Do(c.HTTP, req)
	if err != nil {
		return "", fmt.Errorf("put to %s: %w", req.URL.Host, err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	switch {
	case resp.StatusCode/100 == 2:
		return resp.Header.Get("ETag"), nil
	case resp.StatusCode == http.StatusInsufficientStorage:
		return "", fmt.Errorf("put to %s: %s: %w", req.URL.Host, resp.Status, holdfast.ErrFull)
	}
	return "", fmt.Errorf("put to %s: %s", req.URL.Host, resp.Status)
}
