package site

import (
	"crypto/ed25519"
	"net/netip"
	"sync/atomic"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/config"
)

// Registry answers by the registry of the configuration that is in force now:
// the one that was stored last. One must have been stored before it is asked.
type Registry struct {
	atomic.Pointer[config.Registry]
}

// Principal is config.Registry.Principal.
func (r *Registry) Principal(kid string) (holdfast.Principal, bool) {
	return r.Load().Principal(kid)
}

// Job is config.Registry.Job.
func (r *Registry) Job(host, job string) ([]string, holdfast.Policy, bool) {
	return r.Load().Job(host, job)
}

// Copied is config.Registry.Copied.
func (r *Registry) Copied(vault, host, job string) bool { return r.Load().Copied(vault, host, job) }

// Addresses is config.Registry.Addresses.
func (r *Registry) Addresses(host string) []netip.Prefix { return r.Load().Addresses(host) }

// Signs is config.Registry.Signs.
func (r *Registry) Signs(vault string) bool { return r.Load().Signs(vault) }

// HostKeys is config.Registry.HostKeys.
func (r *Registry) HostKeys(host string) []ed25519.PublicKey { return r.Load().HostKeys(host) }
