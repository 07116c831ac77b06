package push

import (
	"context"
	"fmt"
	"sync"

	"github.com/holdfast-backup/holdfast"
)

// upload sends the parts of one stream on one lane, several at once as long as
// they are small.
type upload struct {
	lane    *lane
	ctx     context.Context // ends with its cause once a part has failed for good
	cancel  context.CancelCauseFunc
	sending sync.WaitGroup

	mu    sync.Mutex
	etags []string
}

// begin runs send beside the caller, unless the upload has ended: after that
// nothing is added any more, and who waits for what is on its way waits for all.
func (u *upload) begin(send func()) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ctx.Err() != nil {
		return false
	}
	u.etags = append(u.etags, "")
	u.sending.Go(send)
	return true
}

// send sends a part, again and again if it must.
func (f *fanout) send(u *upload, part holdfast.Part, blocks []*block) {
	try := u.lane.Part(f.stream, part)
	what := fmt.Sprintf("stream %q part %d", f.stream, part.Number)
	var etag string
	err := f.retry.do(u.ctx, what, u.lane.name, func() (err error) {
		body := newBody(blocks, f.retry.Stall)
		defer body.close()
		etag, err = try(u.ctx, body)
		return err
	})
	f.pool.release(blocks...)
	if err != nil {
		f.fail(u, err)
		return
	}
	u.mu.Lock()
	u.etags[part.Number-1] = etag
	u.mu.Unlock()
}

// fail loses the lane of the upload because of err, unless the upload has ended.
func (f *fanout) fail(u *upload, err error) {
	u.mu.Lock()
	ended := u.ctx.Err() != nil
	if !ended {
		u.lane.lose(StageUpload, err)
		u.cancel(err)
	}
	u.mu.Unlock()
	if ended {
		return
	}
	f.lost(u.lane, u.sending.Wait)
	if f.live.Add(-1) == 0 {
		f.cancel(errAllLost)
	}
}

func (f *fanout) failAll(c *cut, err error) {
	for _, u := range c.uploads {
		f.fail(u, err)
	}
}
