package alert

import (
	"context"
	"errors"
	"sync"

	"github.com/holdfast-backup/holdfast"
)

// faulty is the vault as one Teller sees it.
type faulty struct {
	holdfast.Stater
	mu     sync.Mutex
	load   error
	swap   error
	late   bool // the swap is done, and its answer gets lost
	before func()
	dead   bool
}

var errStore = errors.New("500 internal error")

func (f *faulty) Load(ctx context.Context, key string) ([]byte, string, error) {
	f.mu.Lock()
	err := f.load
	if f.dead {
		err = errStore
	}
	f.mu.Unlock()
	if err != nil {
		return nil, "", err
	}
	return f.Stater.Load(ctx, key)
}

func (f *faulty) Swap(ctx context.Context, key string, body []byte, tag string) (string, error) {
	f.mu.Lock()
	before, err := f.before, f.swap
	f.before = nil
	if f.dead {
		err = errStore
	}
	f.mu.Unlock()
	if before != nil {
		before() // another run, which changes what is there
	}
	if err == nil || f.late && !f.dead {
		newTag, swapped := f.Stater.Swap(ctx, key, body, tag)
		if err == nil || swapped != nil {
			return newTag, swapped
		}
	}
	return "", err
}
