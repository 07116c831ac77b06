package push

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
)

// sender is what the streams of one backup share.
type sender struct {
	pool   *pool
	retry  retrier
	stored int64 // bytes of all streams so far
	// lost is told of a lane that is lost while a stream is sent; idle waits until
	// nothing is on its way there any more.
	lost func(l *lane, idle func())
}

// fanout writes one stored stream to several lanes at once. What is written is
// held once, in blocks, however many lanes there are. Lanes that want their
// parts cut and summed alike share a cut, so that nothing is summed twice.
//
// A lane whose part has failed for good is lost, and the others go on; once all
// are lost ctx ends. A slow lane slows all: nothing is kept for it but what
// the pool holds. It is not safe for concurrent use.
type fanout struct {
	*sender
	stream  string
	ctx     context.Context
	cancel  context.CancelCauseFunc
	uploads []*upload
	live    atomic.Int32 // of them that go on
	cuts    []*cut
	filling *block
}

// errAllLost ends the context of a fanout. What has happened each lane knows.
var errAllLost = errors.New("every destination has failed")

// newFanout returns the fanout of a stream to the lanes, whose plans were
// checked. The caller calls finish or abandon.
func (s *sender) newFanout(ctx context.Context, stream string, lanes []*lane) *fanout {
	f := &fanout{sender: s, stream: stream}
	f.ctx, f.cancel = context.WithCancelCause(ctx)
	for _, l := range lanes {
		u := &upload{lane: l}
		u.ctx, u.cancel = context.WithCancelCause(f.ctx)
		c := f.cutOf(l.Plans[stream])
		c.uploads = append(c.uploads, u)
		f.uploads = append(f.uploads, u)
		f.live.Add(1)
	}
	if len(lanes) == 0 {
		f.cancel(errAllLost)
	}
	return f
}

// Write takes bytes of the stored stream. Its error is that no lane is left, or
// why the run has ended.
func (f *fanout) Write(p []byte) (int, error) {
	written := 0
	for written < len(p) {
		n, err := f.fill(p[written:])
		if err != nil {
			return written, err
		}
		written += n
	}
	return written, nil
}

// fill puts as much of p as fits into the present block.
func (f *fanout) fill(p []byte) (int, error) {
	for _, c := range f.cuts {
		if c.number > c.plan.MaxParts {
			f.failAll(c, fmt.Errorf("stream %q: does not fit in %d parts", f.stream, c.plan.MaxParts))
		}
	}
	f.prune()
	if f.ctx.Err() != nil {
		return 0, context.Cause(f.ctx)
	}
	if f.filling == nil {
		b, err := f.pool.take(f.ctx, f.limit())
		if err != nil {
			return 0, err
		}
		f.filling = b
	}
	n := min(len(p), blockSize-len(f.filling.data))
	if err := f.admit(int64(n)); err != nil {
		return 0, err
	}
	f.filling.data = append(f.filling.data, p[:n]...)
	for _, c := range f.cuts {
		c.sum.Write(p[:n])
	}
	if len(f.filling.data) == blockSize {
		f.pass()
	}
	return n, nil
}

// limit returns how many blocks the pool may have. That many are enough for a
// part to become whole, whatever the schedules, so that Write never waits for
// what only Write can bring about:
//
// Blocks are held by parts on their way, and those come back by themselves, for
// every attempt ends; and by the cuts, for parts that are not whole yet. What a
// cut holds are the last blocks that were written, without a gap, since its last
// part ended. So of any two cuts one holds all that the other does, and all of
// them together hold what one of them does: fewer blocks than the part that it
// makes has, for each part is a whole number of blocks and goes on its way with
// its last one. With the pool as large as the largest of the parts in the making
// a block is left to be filled once nothing is on its way any more.
func (f *fanout) limit() int {
	limit := poolBlocks
	for _, c := range f.cuts {
		limit = max(limit, int(c.target()/int64(blockSize)))
	}
	return limit
}

var errTooLarge = errors.New("backup is larger than the broker allows (max_size)")

// admit counts n bytes and gives up the lanes that allow no more.
func (f *fanout) admit(n int64) error {
	f.stored += n
	for _, c := range f.cuts {
		for _, u := range c.uploads {
			if f.stored > u.lane.MaxSize {
				f.fail(u, errTooLarge)
			}
		}
	}
	f.prune()
	if f.ctx.Err() != nil {
		return context.Cause(f.ctx)
	}
	return nil
}

// pass gives the present block to every cut.
func (f *fanout) pass() {
	b := f.filling
	f.filling = nil
	for _, c := range f.cuts {
		b.hold()
		c.blocks = append(c.blocks, b)
		if c.filled += int64(len(b.data)); c.filled == c.target() {
			f.flush(c)
		}
	}
	f.pool.release(b)
}

// flush begins to send the present part of a cut and makes way for the next.
func (f *fanout) flush(c *cut) {
	part, blocks := c.next()
	for _, u := range c.uploads {
		for _, b := range blocks {
			b.hold()
		}
		if !u.begin(func() { f.send(u, part, blocks) }) {
			f.pool.release(blocks...)
		}
	}
	f.pool.release(blocks...)
}

// finish sends what is left and waits until each lane that is not lost has every
// part. Its error is as Write's.
func (f *fanout) finish() error {
	if f.filling != nil {
		f.pass()
	}
	for _, c := range f.cuts {
		if c.filled > 0 {
			f.flush(c)
		}
	}
	f.wait()
	defer f.abandon(nil)
	if f.ctx.Err() != nil {
		return context.Cause(f.ctx)
	}
	for _, c := range f.cuts {
		for _, u := range c.uploads {
			if u.ctx.Err() == nil {
				u.lane.sent[f.stream] = sentParts{c.parts, u.etags}
			}
		}
	}
	return nil
}

// stop ends sending because of err; Write does not block any more.
func (f *fanout) stop(err error) { f.cancel(err) }

// abandon stops sending because of err and returns once nothing is on its way.
func (f *fanout) abandon(err error) {
	f.cancel(err)
	f.wait()
	f.prune()
	if f.filling != nil {
		f.pool.release(f.filling)
		f.filling = nil
	}
}

func (f *fanout) wait() {
	for _, u := range f.uploads {
		u.sending.Wait()
	}
}

// prune forgets uploads that have ended, and what was held for them alone.
func (f *fanout) prune() {
	kept := f.cuts[:0]
	for _, c := range f.cuts {
		c.prune()
		if len(c.uploads) > 0 {
			kept = append(kept, c)
			continue
		}
		f.pool.release(c.blocks...)
	}
	clear(f.cuts[len(kept):])
	f.cuts = kept
}
