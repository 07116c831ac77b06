package sftp

import (
	"context"
	"sync"
)

// puts knows the keys that this Vault is putting, one caller at a time for each,
// and those that it has begun in place and not finished.
type puts struct {
	mu    sync.Mutex
	under map[string]chan struct{} // closed when the present caller is done
	begun map[string]bool
}

// enter waits for its turn with a key. The caller calls leave.
func (p *puts) enter(ctx context.Context, key string) (leave func(), err error) {
	for {
		p.mu.Lock()
		other := p.under[key]
		if other == nil {
			mine := make(chan struct{})
			if p.under == nil {
				p.under, p.begun = map[string]chan struct{}{}, map[string]bool{}
			}
			p.under[key] = mine
			p.mu.Unlock()
			return func() {
				p.mu.Lock()
				defer p.mu.Unlock()
				delete(p.under, key)
				close(mine)
			}, nil
		}
		p.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (p *puts) mine(key string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.begun[key]
}

func (p *puts) claim(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.begun[key] = true
}

func (p *puts) release(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.begun, key)
}
