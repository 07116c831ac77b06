package config

import (
	"crypto/ed25519"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/holdfast-backup/holdfast"
)

// Registry answers who holds which key and what is asked of which job. It does
// not change, and is safe for concurrent use.
type Registry struct {
	vaults     []string
	hosts      map[string]Host
	keys       map[string][]ed25519.PublicKey // of hosts, current first
	principals map[string]holdfast.Principal  // by key id
	policies   map[string]placed              // by job or host/job
	adopted    map[holdfast.JobName][]string  // the vaults of adopted jobs
	standard   holdfast.Policy                // of a job without an entry
	alerts     Alerts
	prices     map[string]Price // by vault
	signs      map[string]bool  // by vault
	vouches    map[string]bool  // by vault
	hostNamed  map[string]bool  // by vault
}

// Registry returns the registry of the configuration. A key that is none or is
// used twice is an error, as it is when the file is read.
func (c *Holdfast) Registry() (*Registry, error) {
	r := &Registry{
		vaults:     slices.Sorted(maps.Keys(c.Vaults)),
		hosts:      maps.Clone(c.Hosts),
		keys:       map[string][]ed25519.PublicKey{},
		principals: map[string]holdfast.Principal{},
		policies:   map[string]placed{},
		adopted:    c.adopted(),
		alerts:     c.Alerts,
		prices:     map[string]Price{},
		signs:      map[string]bool{},
		vouches:    map[string]bool{},
		hostNamed:  map[string]bool{},
	}
	for name, v := range c.Vaults {
		price, err := ParsePrice(v.Price)
		if err != nil {
			return nil, fmt.Errorf("vault %q: price: %w", name, err)
		}
		r.prices[name], r.signs[name] = price, v.Signs()
		r.vouches[name] = v.Signs() && v.Disk == nil
	}
	for name, h := range c.Hosts {
		if err := r.addHost(name, h); err != nil {
			return nil, fmt.Errorf("host %q: %w", name, err)
		}
	}
	for name, o := range c.Operators {
		if err := r.addOperator(name, o); err != nil {
			return nil, fmt.Errorf("operator %q: %w", name, err)
		}
	}
	for name, job := range c.Jobs {
		entry, err := c.place(job)
		if err != nil {
			return nil, fmt.Errorf("job %q: %w", name, err)
		}
		r.policies[name] = entry
		for _, vault := range entry.vaults {
			r.hostNamed[vault] = r.hostNamed[vault] || slices.ContainsFunc(entry.vaults, func(from string) bool {
				return from != vault && !r.vouches[from] && !slices.Contains(entry.copied, from)
			})
		}
	}
	var err error
	r.standard, err = Job{}.Policy()
	return r, err
}

func (r *Registry) addHost(name string, h Host) error {
	for _, text := range append([]string{h.Key}, h.RetiredKeys...) {
		key, err := holdfast.ParsePublicKey(text)
		if err != nil {
			return err
		}
		r.keys[name] = append(r.keys[name], key)
	}
	if h.Revoked {
		return nil // its keys prove old manifests and open nothing
	}
	p := holdfast.Principal{Name: name, Key: r.keys[name][0], Scopes: h.Scopes}
	if len(p.Scopes) == 0 {
		p.Scopes = []holdfast.Scope{holdfast.ScopePush, holdfast.ScopeReport}
	}
	for _, pattern := range h.Jobs {
		p.Jobs = append(p.Jobs, name+"/"+pattern)
	}
	return r.add(p)
}

func (r *Registry) addOperator(name string, o Operator) error {
	key, err := holdfast.ParsePublicKey(o.Key)
	if err != nil {
		return err
	}
	p := holdfast.Principal{Name: name, Key: key, Scopes: []holdfast.Scope{holdfast.ScopeRestore}, Jobs: o.Jobs}
	if len(p.Jobs) == 0 {
		p.Jobs = []string{"*/*"}
	}
	return r.add(p)
}

func (r *Registry) add(p holdfast.Principal) error {
	id := holdfast.KeyID(p.Key)
	if before, twice := r.principals[id]; twice {
		return fmt.Errorf("has the key of %q", before.Name)
	}
	r.principals[id] = p
	return nil
}

// Principal returns the holder of the key with that id. ok is false for keys
// that nobody has, retired ones, and those of revoked hosts.
func (r *Registry) Principal(kid string) (p holdfast.Principal, ok bool) {
	p, ok = r.principals[kid]
	return p, ok
}

// Alerts returns who is told what. It must not be changed.
func (r *Registry) Alerts() Alerts { return r.alerts }

// Tells reports whether the channel tells of such an event of the job; host and
// job are empty for what concerns a whole vault.
func (r *Registry) Tells(channel, host, job string, event holdfast.Event) bool {
	c, ok := r.alerts.Channels[channel]
	if !ok {
		return false
	}
	events := c.Events
	if entry, found := r.entry(host, job); found && entry.alert.Given {
		own, named := entry.alert.Channels[channel]
		if !named {
			return false
		}
		if own != nil {
			return slices.Contains(own, event)
		}
	}
	if events == nil {
		return event.Bad()
	}
	return slices.Contains(events, event)
}

// Revoked reports whether the host is known and cut off. Its jobs have policies
// still, but no backup of them is to be expected.
func (r *Registry) Revoked(host string) bool { return r.hosts[host].Revoked }

// Addresses returns the addresses that the host comes from, as configured; none
// where it may come from anywhere.
func (r *Registry) Addresses(host string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range r.hosts[host].Addresses {
		if prefix, err := parseAddress(text); err == nil { // else the file would not have been read
			all = append(all, prefix)
		}
	}
	return all
}

// parseAddress reads an address or a range of addresses.
func parseAddress(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return addr.Prefix(addr.BitLen())
	}
	return netip.ParsePrefix(text)
}

// HostKeys returns the keys that may have signed manifests of the host, the
// current one first; none for an unknown host.
func (r *Registry) HostKeys(host string) []ed25519.PublicKey { return slices.Clone(r.keys[host]) }

// Price returns what a gigabyte costs in the vault, the zero Price where that is
// not known.
func (r *Registry) Price(vault string) Price { return r.prices[vault] }

// Vouches reports whether the times of backups in the vault are a broker's. They
// are the hosts' own where hosts write by themselves: by SFTP, which may be into a
// directory that a server here reads, too.
func (r *Registry) Vouches(vault string) bool { return r.vouches[vault] }

// HostNamed reports whether times of backups in the vault may be the hosts' own
// choice: where it is not vouched for, and where `holdfast copy` may have brought them
// from a vault that is not, to which hosts send some of its jobs as well.
func (r *Registry) HostNamed(vault string) bool { return !r.vouches[vault] || r.hostNamed[vault] }

// Signs reports whether the broker can sign uploads to the vault; hosts send to
// others by themselves.
func (r *Registry) Signs(vault string) bool { return r.signs[vault] }

// Vaults returns the names of the vaults, in order.
func (r *Registry) Vaults() []string { return slices.Clone(r.vaults) }
