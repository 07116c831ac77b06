package push

import (
	"context"
	"sync/atomic"

	"github.com/holdfast-backup/holdfast"
)

// Parts are held in memory until every vault has them, because their checksum
// has to be known before they are sent and they may have to be sent again. They
// are made of blocks of one size from one pool, which all deliveries share: four
// parts of 8 MiB, or two of 16 MiB, or one of 32 MiB. Only a stored stream
// beyond 70 GiB (where 10,000 parts are allowed) has larger parts, and then the
// pool grows to hold one.
const (
	blockSize  = int(holdfast.MinPartSize) // bytes
	poolBlocks = 4
)

// block is a piece of the stored stream. It goes back to its pool once nobody
// holds it any more.
type block struct {
	data []byte
	held atomic.Int32
}

// pool hands out blocks to one taker at a time; any goroutine may let go of them.
type pool struct {
	free chan *block
	made int
}

func newPool() *pool {
	return &pool{free: make(chan *block, holdfast.MaxPartSize/int64(blockSize))}
}

// take returns an empty block, held once: one that is free or a new one while
// there are fewer than limit, else it waits for one.
func (p *pool) take(ctx context.Context, limit int) (*block, error) {
	select {
	case b := <-p.free:
		return b.again(), nil
	default:
	}
	if p.made < limit {
		p.made++
		b := &block{data: make([]byte, 0, blockSize)}
		return b.again(), nil
	}
	select {
	case b := <-p.free:
		return b.again(), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (b *block) again() *block {
	b.data = b.data[:0]
	b.held.Store(1)
	return b
}

// hold adds a holder. Only who holds the block may.
func (b *block) hold() { b.held.Add(1) }

// release lets go of blocks, each held once by the caller.
func (p *pool) release(blocks ...*block) {
	for _, b := range blocks {
		if b.held.Add(-1) == 0 {
			p.free <- b
		}
	}
}
