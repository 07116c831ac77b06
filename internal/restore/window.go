package restore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// transfer says how an object is read: in windows that are fetched side by
// side and handed on in order, so that memory stays within window × parallel.
type transfer struct {
	window   int64 // bytes
	parallel int
	failures int           // in a row without a byte, after which a range is given up
	stall    time.Duration // without a byte, after which an attempt is given up
	wait     func(ctx context.Context, d time.Duration) error
}

var usualTransfer = transfer{window: 8 << 20, parallel: 4, failures: 6, stall: time.Minute, wait: wait}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// ranger opens n bytes of one object from offset on, or all to its end if n is
// negative.
type ranger func(ctx context.Context, offset, n int64) (io.ReadCloser, error)

var errStalled = errors.New("no byte for too long")

// permanent reports whether trying again cannot help.
func permanent(err error) bool {
	return errors.Is(err, holdfast.ErrNotExist) || errors.Is(err, holdfast.ErrCorrupt) || errors.Is(err, errRefused)
}

// windows reads one object of a known size.
type windows struct {
	transfer
	open   ranger
	size   int64
	ctx    context.Context
	cancel context.CancelFunc
	free   chan []byte  // buffers not in use, allocated when first taken
	queue  chan *window // in order
	now    *window      // being read
	read   int64
	err    error
	work   sync.WaitGroup
}

type window struct {
	rest  []byte     // not read yet
	whole []byte     // the buffer, to be given back
	done  chan error // one value, when filled
}

// newWindows starts reading. The caller closes the reader, which ends all
// fetching before it returns.
func (t transfer) newWindows(ctx context.Context, size int64, open ranger) *windows {
	w := &windows{transfer: t, open: open, size: size}
	w.ctx, w.cancel = context.WithCancel(ctx)
	w.free, w.queue = make(chan []byte, t.parallel), make(chan *window, t.parallel)
	for range t.parallel {
		w.free <- nil
	}
	w.work.Go(w.dispatch)
	return w
}

// dispatch starts the fetch of one window after another, each as soon as there
// is a free buffer.
func (w *windows) dispatch() {
	defer close(w.queue)
	for offset := int64(0); offset < w.size; offset += w.window {
		var buf []byte
		select {
		case buf = <-w.free:
		case <-w.ctx.Done():
			return
		}
		n := min(w.window, w.size-offset)
		if buf == nil {
			buf = make([]byte, n)
		}
		next := &window{rest: buf[:n], whole: buf, done: make(chan error, 1)}
		w.queue <- next // has room for all buffers
		w.work.Go(func() { next.done <- w.fill(next.rest, offset) })
	}
}

// Read implements io.Reader.
func (w *windows) Read(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	if w.now == nil {
		if w.err = w.next(); w.err != nil {
			return 0, w.err
		}
	}
	n := copy(p, w.now.rest)
	w.now.rest = w.now.rest[n:]
	w.read += int64(n)
	if len(w.now.rest) == 0 {
		w.free <- w.now.whole
		w.now = nil
	}
	return n, nil
}

func (w *windows) next() error {
	next, ok := <-w.queue
	switch {
	case !ok && w.read == w.size:
		return io.EOF
	case !ok:
		return context.Cause(w.ctx)
	}
	if err := <-next.done; err != nil {
		return err
	}
	w.now = next
	return nil
}

// Close implements io.Closer.
func (w *windows) Close() error {
	w.cancel()
	w.work.Wait()
	if w.err == nil {
		w.err = errors.New("read object: is closed")
	}
	return nil
}

// fill reads the bytes of one window, beginning again where it broke off.
func (w *windows) fill(buf []byte, offset int64) error {
	failures := 0
	for {
		n, err := w.attempt(buf, offset)
		if err == nil {
			return nil
		}
		if n > 0 {
			failures = 0
		}
		buf, offset = buf[n:], offset+int64(n)
		failures++
		switch {
		case w.ctx.Err() != nil:
			return context.Cause(w.ctx)
		case permanent(err):
			return err
		case failures >= w.failures:
			return fmt.Errorf("given up after %d attempts: %w", failures, err)
		}
		if err := w.wait(w.ctx, backoff(failures)); err != nil {
			return err
		}
	}
}

// backoff returns how long to wait after so many failures in a row: 0.2 s
// doubling up to 10 s, half of it by chance.
func backoff(failures int) time.Duration {
	d := min(200*time.Millisecond<<min(failures-1, 10), 10*time.Second)
	return d/2 + rand.N(d/2)
}

// attempt opens the range once and returns how much of buf it filled.
func (w *windows) attempt(buf []byte, offset int64) (int, error) {
	ctx, cancel := context.WithCancelCause(w.ctx)
	defer cancel(nil)
	watch := time.AfterFunc(w.stall, func() { cancel(errStalled) })
	defer watch.Stop()

	// The last range is left open, so that an object that is longer than the
	// manifest says is noticed, and not cut to size.
	last, n := offset+int64(len(buf)) == w.size, int64(len(buf))
	if last {
		n = -1
	}
	r, err := w.open(ctx, offset, n)
	if err != nil {
		return 0, stalled(ctx, err)
	}
	defer r.Close()
	filled := 0
	for filled < len(buf) {
		n, err := r.Read(buf[filled:])
		filled += n
		watch.Reset(w.stall)
		switch {
		case filled == len(buf):
		case err == io.EOF:
			return filled, fmt.Errorf("stored object ends after %d of %d bytes: %w", offset+int64(filled), w.size, holdfast.ErrCorrupt)
		case err != nil:
			return filled, stalled(ctx, err)
		}
	}
	if last {
		if n, _ := io.ReadFull(r, make([]byte, 1)); n > 0 {
			return filled, fmt.Errorf("stored object is longer than %d bytes: %w", w.size, holdfast.ErrCorrupt)
		}
	}
	return filled, nil
}

// stalled returns errStalled where that is why the attempt was cut short.
func stalled(ctx context.Context, err error) error {
	if context.Cause(ctx) == errStalled {
		return errStalled
	}
	return err
}
