package push

import (
	"context"

	"github.com/holdfast-backup/holdfast"
)

// Parts are held in memory until the store has them, because their checksum has
// to be known before they are sent and they may have to be sent again. They are
// made of blocks of one size from one pool: four parts of 8 MiB, or two of
// 16 MiB, or one of 32 MiB. Only a stored stream beyond 70 GiB (where 10,000
// parts are allowed) has larger parts, and then the pool grows to hold one.
const (
	blockSize  = int(holdfast.MinPartSize) // bytes
	poolBlocks = 4
)

// pool hands out blocks to one taker at a time; any goroutine may give them back.
type pool struct {
	free chan []byte
	made int
}

func newPool() *pool {
	return &pool{free: make(chan []byte, holdfast.MaxPartSize/int64(blockSize))}
}

// take returns an empty block, one that is free or a new one while there are
// fewer than limit, else it waits for one.
func (p *pool) take(ctx context.Context, limit int) ([]byte, error) {
	select {
	case b := <-p.free:
		return b[:0], nil
	default:
	}
	if p.made < limit {
		p.made++
		return make([]byte, 0, blockSize), nil
	}
	select {
	case b := <-p.free:
		return b[:0], nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (p *pool) give(blocks [][]byte) {
	for _, b := range blocks {
		p.free <- b
	}
}
