package open

import (
	"context"
	"sync"

	"github.com/holdfast-backup/holdfast"
)

// broken is a channel that could not be made: a secret is missing, or the store of
// secrets was not reachable. Each Send tries again, until it can.
type broken struct {
	open func(ctx context.Context) (holdfast.Channel, error)

	mu   sync.Mutex
	made holdfast.Channel // nil until it could be
}

// Send implements holdfast.Channel.
func (b *broken) Send(ctx context.Context, m holdfast.Message) (string, error) {
	c, err := b.channel(ctx)
	if err != nil {
		return "", err
	}
	return c.Send(ctx, m)
}

// channel returns the channel. Nothing is locked while it is made, which may take
// long: two at once may make it, and one of them is kept.
func (b *broken) channel(ctx context.Context) (holdfast.Channel, error) {
	b.mu.Lock()
	c := b.made
	b.mu.Unlock()
	if c != nil {
		return c, nil
	}
	c, err := b.open(ctx)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.made = c
	return c, nil
}
