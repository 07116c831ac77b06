package broker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// How long one of several vaults may take before the others are answered for
// without it. An only vault has the whole call.
const (
	beginTime = 15 * time.Second // to admit a backup, or take a report
	placeTime = 8 * time.Second  // to say what it has of a backup, and sign for it
	listTime  = 4 * time.Minute  // to list all that it has
)

// inEach asks several vaults at once, each within limit where there is more than
// one, so that none holds the others up. It returns their answers and errors in the
// order of the names.
func inEach[T any](ctx context.Context, b *Broker, request string, names []string, limit time.Duration, do func(ctx context.Context, name string) (T, error)) ([]T, []error) {
	answers, errs := make([]T, len(names)), make([]error, len(names))
	var running sync.WaitGroup
	var aborted atomic.Bool
	for i, name := range names {
		running.Go(func() {
			ctx, cancel := ctx, context.CancelFunc(func() {})
			if len(names) > 1 {
				ctx, cancel = context.WithTimeout(ctx, limit)
			}
			defer cancel()
			defer func() { // ask lets one panic through, which would end the process here
				if recover() != nil {
					aborted.Store(true)
				}
			}()
			answers[i], errs[i] = ask(ctx, b, request, name, func(ctx context.Context) (T, error) { return do(ctx, name) })
		})
	}
	running.Wait()
	if aborted.Load() {
		panic(http.ErrAbortHandler)
	}
	return answers, errs
}

// mostHopeful returns the error to answer with where each vault failed: the first
// that trying again may mend, else the first.
func mostHopeful(errs []error) error {
	for _, err := range errs {
		r, refused := errors.AsType[*refusal](err)
		if !errors.Is(err, holdfast.ErrFull) && (!refused || r.Status >= http.StatusInternalServerError) {
			return err
		}
	}
	return errs[0]
}

// split returns which of a job's vaults the broker signs for, and those that
// hosts have to reach by themselves.
func (b *Broker) split(vaults []string) (signed, direct []string) {
	for _, name := range vaults {
		if b.registry.Signs(name) {
			signed = append(signed, name)
		} else {
			direct = append(direct, name)
		}
	}
	return signed, direct
}

// pushVault returns a vault that takes backups.
func (b *Broker) pushVault(name string) (PushVault, error) {
	vault, ok := b.push[name]
	if !ok {
		return nil, fmt.Errorf("vault %q: is not there", name)
	}
	return vault, nil
}
