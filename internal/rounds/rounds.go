// Package rounds runs retention and the monitor over the vaults of a
// configuration: for the server on its schedules, and for the operator's
// commands by hand. Which policy holds for what lies in which vault is said
// here once.
package rounds

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/monitor"
	"github.com/holdfast-backup/holdfast/internal/retention"
)

// Rounds asks the registry for everything but the vaults. It is safe for
// concurrent use.
type Rounds struct {
	// Registry returns the configuration that is in force.
	Registry func() *config.Registry
	// Now is the clock.
	Now func() time.Time
}

// ToMonitor returns the vaults as the monitor may use them.
func ToMonitor(vaults map[string]holdfast.Vault) map[string]monitor.Vault {
	all := make(map[string]monitor.Vault, len(vaults))
	for name, vault := range vaults {
		all[name] = vault
	}
	return all
}

// Cleaned is what a round of retention did in one vault.
type Cleaned struct {
	Vault string `json:"vault"`
	retention.Summary
}

// Retention goes over the vaults, by name, with options that say everything but
// the time. A vault that fails does not stop the others.
func (r Rounds) Retention(ctx context.Context, vaults map[string]holdfast.Vault, o retention.Options) ([]Cleaned, error) {
	var all []Cleaned
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(vaults)) {
		o.Now, o.HostNamed = r.Now(), r.Registry().HostNamed(name)
		policy := r.policies(name)
		summary, err := retention.Run(ctx, vaults[name], func(host, job string) (holdfast.Keep, holdfast.Expect, bool) {
			p, ok := policy(host, job)
			return p.Keep, p.Expect, ok
		}, o)
		all = append(all, Cleaned{name, summary})
		if !o.DryRun && o.Only == nil && !errors.Is(err, context.Canceled) {
			// Why the run failed says enough: that it left no record is told only of one that did not.
			err = cmp.Or(err, record(ctx, vaults[name], summary, err))
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("vault %q: %w", name, err))
		}
	}
	return all, errors.Join(errs...)
}

// Monitor goes over the vaults, by name, with options that say how much to spend.
// The error is not nil where a vault could not be judged.
func (r Rounds) Monitor(ctx context.Context, vaults map[string]monitor.Vault, o monitor.Options) ([]monitor.Result, error) {
	var all []monitor.Result
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(vaults)) {
		o.Now, o.VaultName, o.Policies = r.Now, name, r.policies(name)
		o.Retired = r.Registry().Revoked
		o.HostKeys = func(host string) []ed25519.PublicKey { return r.Registry().HostKeys(host) }
		o.Expected = r.expected(name)
		result, err := monitor.Run(ctx, vaults[name], o)
		all = append(all, result)
		if err != nil {
			errs = append(errs, err)
		}
	}
	return all, errors.Join(errs...)
}

// policies returns the policies that hold in one vault. A job that has moved to
// another vault has none in the old one, so what is there stays. In a vault that
// the configuration does not name, such as one that another machine's broker
// shows, it is what each job is asked everywhere.
func (r Rounds) policies(vault string) func(host, job string) (holdfast.Policy, bool) {
	registry := r.Registry()
	return func(host, job string) (holdfast.Policy, bool) {
		if !slices.Contains(registry.Vaults(), vault) {
			_, policy, ok := registry.Job(host, job)
			return policy, ok
		}
		return registry.PolicyIn(vault, host, job)
	}
}

// expected returns the jobs that must have backups in one vault.
func (r Rounds) expected(vault string) []holdfast.JobName {
	registry := r.Registry()
	var names []holdfast.JobName
	for _, j := range registry.Expected() {
		if _, ok := r.policies(vault)(j.Host, j.Job); ok {
			names = append(names, j)
		}
	}
	return names
}
