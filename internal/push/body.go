package push

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Body is the bytes of one part during one attempt to send it. What reads it has
// copies only: a call that was left behind holds nothing that is used again.
type Body struct {
	stall time.Duration // as Retry says

	mu     sync.Mutex // it may be closed while another goroutine reads
	blocks []*block
	off    int // in blocks[0]
	moved  func()
	closed bool
}

func newBody(blocks []*block, stall time.Duration) *Body {
	return &Body{blocks: blocks, stall: stall, moved: func() {}}
}

// Watch returns a context that ends when no byte has been read for too long, so
// that a connection that has died does not hold the part for ever. The caller
// calls stop.
func (b *Body) Watch(ctx context.Context, stall time.Duration) (watched context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	watch := time.AfterFunc(stall, func() { cancel(fmt.Errorf("no headway for %s", stall)) })
	b.mu.Lock()
	defer b.mu.Unlock()
	b.moved = func() { watch.Reset(stall) }
	return ctx, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.moved = func() {}
		watch.Stop()
		cancel(nil)
	}
}

// Read implements io.Reader.
func (b *Body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, errors.New("read part: is closed")
	}
	b.moved()
	for len(b.blocks) > 0 && b.off == len(b.blocks[0].data) {
		b.blocks, b.off = b.blocks[1:], 0
	}
	if len(b.blocks) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.blocks[0].data[b.off:])
	b.off += n
	return n, nil
}

// close waits for a Read that is under way. After it nothing reads the blocks.
func (b *Body) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
}
