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
}

func (b *Broker) serveHealth(w http.ResponseWriter, r *http.Request) error {
	answer := api.Health{OK: true, Version: b.version, Now: b.now().UTC(), Vaults: b.reach(r.Context())}
	status := http.StatusOK
	for _, state := range answer.Vaults {
		if state != "ok" {
			answer.OK, status = false, http.StatusServiceUnavailable
		}
	}
	return writeJSON(w, status, answer)
}

// reach returns for each vault whether it answers. Why one does not is for the
// log alone.
func (b *Broker) reach(ctx context.Context) map[string]string {
	b.health.mu.Lock()
	defer b.health.mu.Unlock()
	if age := b.now().Sub(b.health.asked); b.health.vaults != nil && age >= 0 && age < healthAge {
		return b.health.vaults
	}
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
	names, states := slices.Sorted(maps.Keys(vaults)), map[string]string{}
	errs := b.inEach(ctx, "", names, healthTime, func(ctx context.Context, _ int, name string) error {
		for _, err := range vaults[name].List(ctx, nothing) {
			return err
		}
		return nil
	})
	for i, err := range errs {
		states[names[i]] = "ok"
		if err != nil {
			states[names[i]] = "does not answer"
			b.log.Error("vault does not answer", "vault", names[i], "err", err)
		}
	}
	b.health.asked, b.health.vaults = b.now(), states
	return states
}
