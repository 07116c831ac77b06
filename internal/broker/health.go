package broker

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

const (
	// healthAge is how long an answer is given again, since anyone may ask.
	healthAge  = 10 * time.Second
	healthTime = 10 * time.Second
	// nothing is a prefix that no key has, because no host's name begins with
	// a hyphen: listing it proves that the vault answers and costs one request.
	nothing = holdfast.BackupsPrefix + "-"
)

// health remembers how the vaults last answered.
type health struct {
	mu     sync.Mutex
	asked  time.Time
	vaults map[string]string
	asking chan struct{} // closed when they have answered; nil while nobody asks
}

func (b *Broker) serveHealth(w http.ResponseWriter, r *http.Request) error {
	vaults, err := b.reach(r.Context())
	if err != nil {
		return err
	}
	answer := api.Health{OK: true, Version: b.version, Now: b.now().UTC(), Vaults: vaults}
	status := http.StatusOK
	for _, state := range answer.Vaults {
		if state != "ok" {
			answer.OK, status = false, http.StatusServiceUnavailable
		}
	}
	return writeJSON(w, status, answer)
}

// reach returns for each vault whether it answers. One caller asks them for all who
// come meanwhile. Why one does not answer is for the log alone.
func (b *Broker) reach(ctx context.Context) (map[string]string, error) {
	h := &b.health
	for {
		h.mu.Lock()
		states, asking := h.vaults, h.asking
		if age := b.now().Sub(h.asked); states != nil && age >= 0 && age < healthAge {
			h.mu.Unlock()
			return states, nil
		}
		if asking == nil {
			h.asking = make(chan struct{})
			h.mu.Unlock()
			return b.askAll(ctx), nil
		}
		h.mu.Unlock()
		select {
		case <-asking:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// askAll asks each vault for reach, and lets go of those who wait.
func (b *Broker) askAll(ctx context.Context) (states map[string]string) {
	defer func() {
		h := &b.health
		h.mu.Lock()
		defer h.mu.Unlock()
		if states != nil {
			h.asked, h.vaults = b.now(), states
		}
		close(h.asking)
		h.asking = nil
	}()
	// One caller's hanging up must not be remembered as the vault's failure.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), healthTime)
	defer cancel()
	vaults := map[string]holdfast.Lister{}
	for name, vault := range b.push {
		vaults[name] = vault
	}
	for name, vault := range b.restore {
		vaults[name] = vault
	}
	names, found := slices.Sorted(maps.Keys(vaults)), map[string]string{}
	_, errs := inEach(ctx, b, "", names, healthTime, func(ctx context.Context, name string) (struct{}, error) {
		for _, err := range vaults[name].List(ctx, nothing) {
			return struct{}{}, err
		}
		return struct{}{}, nil
	})
	for i, err := range errs {
		found[names[i]] = "ok"
		if err != nil {
			found[names[i]] = "does not answer"
			b.log.Error("vault does not answer", "vault", names[i], "err", err)
		}
	}
	return found
}
