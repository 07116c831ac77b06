package push

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"sync"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

// sender is what the uploads of one backup share.
type sender struct {
	client *http.Client
	broker broker
	retry  retrier
	pool   *pool
	id     holdfast.ID
	token  string
	left   int64 // bytes that the broker still admits; one upload writes at a time
}

// upload cuts what is written to it into parts by the schedule of part sizes and
// sends them, several at once as long as they are small. Write blocks while the
// pool has no room. It is not safe for concurrent use.
type upload struct {
	*sender
	plan   api.StreamPlan
	ctx    context.Context // ends with its cause once a part has failed for good
	cancel context.CancelCauseFunc
	number int // of the part being filled
	blocks [][]byte
	filled int64
	sum    hash.Hash
	sent   sync.WaitGroup

	mu    sync.Mutex
	err   error // the upload's own failure, if it has failed
	parts []holdfast.Part
	etags []string
}

// newUpload returns an upload of the stream of plan. The caller calls finish or
// abandon.
func (s *sender) newUpload(ctx context.Context, plan api.StreamPlan) (*upload, error) {
	u := &upload{sender: s, plan: plan, number: 1}
	switch plan.Checksum {
	case holdfast.ChecksumSHA256:
		u.sum = sha256.New()
	case holdfast.ChecksumMD5:
		u.sum = md5.New()
	default:
		return nil, fmt.Errorf("the broker asks for checksum %q, which this version does not know", plan.Checksum)
	}
	if plan.MaxParts < 1 || plan.MaxParts > holdfast.MaxParts {
		return nil, fmt.Errorf("the broker allows %d parts, want 1 to %d", plan.MaxParts, holdfast.MaxParts)
	}
	u.ctx, u.cancel = context.WithCancelCause(ctx)
	return u, nil
}

// Write takes bytes of the stored stream. Its error is why a part has failed.
func (u *upload) Write(p []byte) (int, error) {
	written := 0
	for written < len(p) {
		n, err := u.fill(p[written:])
		if err != nil {
			u.fail(err)
			return written, context.Cause(u.ctx)
		}
		written += n
	}
	return written, nil
}

// fill puts as much of p into the present part as its last block holds.
func (u *upload) fill(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, context.Cause(u.ctx)
	}
	if u.number > u.plan.MaxParts {
		return 0, fmt.Errorf("stream %q: does not fit in %d parts", u.plan.Name, u.plan.MaxParts)
	}
	target := holdfast.PartSize(u.number, u.plan.MaxParts)
	last := len(u.blocks) - 1
	if last < 0 || len(u.blocks[last]) == blockSize {
		b, err := u.pool.take(u.ctx, max(poolBlocks, int(target/int64(blockSize))))
		if err != nil {
			return 0, err
		}
		u.blocks = append(u.blocks, b)
		last++
	}
	n := min(len(p), blockSize-len(u.blocks[last]))
	if u.left -= int64(n); u.left < 0 {
		return 0, errTooLarge
	}
	u.blocks[last] = append(u.blocks[last], p[:n]...)
	u.sum.Write(p[:n])
	if u.filled += int64(n); u.filled == target {
		u.flush()
	}
	return n, nil
}

var errTooLarge = errors.New("backup is larger than the broker allows (max_size)")

// flush begins to send the present part and makes way for the next.
func (u *upload) flush() {
	part := holdfast.Part{Number: u.number, Size: u.filled, Sum: hex.EncodeToString(u.sum.Sum(nil))}
	blocks := u.blocks
	u.number, u.blocks, u.filled = u.number+1, nil, 0
	u.sum.Reset()
	u.mu.Lock()
	u.parts, u.etags = append(u.parts, part), append(u.etags, "")
	u.mu.Unlock()
	u.sent.Go(func() {
		etag, err := u.send(part, blocks)
		u.pool.give(blocks)
		if err != nil {
			u.fail(err)
			return
		}
		u.mu.Lock()
		u.etags[part.Number-1] = etag
		u.mu.Unlock()
	})
}

// send has the part signed and puts it, again and again if it must.
func (u *upload) send(part holdfast.Part, blocks [][]byte) (etag string, err error) {
	var signed *holdfast.Request
	what := fmt.Sprintf("stream %q part %d", u.plan.Name, part.Number)
	err = u.retry.do(u.ctx, what, func() (err error) {
		if signed == nil {
			if signed, err = u.sign(part); err != nil {
				return fmt.Errorf("sign %s: %w", what, err)
			}
		}
		if etag, err = put(u.ctx, u.client, *signed, blocks, u.retry.Stall); err == nil {
			return nil
		}
		var store *storeError
		refused := errors.As(err, &store) && store.status == http.StatusForbidden
		if refused || u.retry.now().Add(expiryMargin).After(signed.Expires) {
			signed = nil
		}
		return fmt.Errorf("send %s: %w", what, err)
	})
	return etag, err
}

// expiryMargin is how long before its end a signature is not used again.
const expiryMargin = 30 * time.Second

func (u *upload) sign(part holdfast.Part) (*holdfast.Request, error) {
	resp, err := u.broker.SignParts(u.ctx, u.id, api.PartsRequest{
		UploadToken: u.token, Stream: u.plan.Name, Parts: []holdfast.Part{part},
	})
	if err != nil {
		return nil, err
	}
	if len(resp.Requests) != 1 {
		return nil, fmt.Errorf("broker signed %d requests, want 1", len(resp.Requests))
	}
	return &resp.Requests[0], nil
}

// fail ends the upload with err, unless something else has.
func (u *upload) fail(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ctx.Err() == nil {
		u.err = err
		u.cancel(err)
	}
}

// failed returns why the upload failed; nil if it has not, or was ended from outside.
func (u *upload) failed() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.err
}

// finish sends what is left and waits until the store has every part.
func (u *upload) finish() ([]holdfast.Part, []string, error) {
	if u.filled > 0 && u.ctx.Err() == nil {
		u.flush()
	}
	u.sent.Wait()
	defer u.abandon(nil)
	if u.ctx.Err() != nil {
		return nil, nil, context.Cause(u.ctx)
	}
	return u.parts, u.etags, nil
}

// abandon stops sending because of err and returns once nothing is on its way.
func (u *upload) abandon(err error) {
	u.cancel(err)
	u.sent.Wait()
	u.pool.give(u.blocks)
	u.blocks = nil
}
