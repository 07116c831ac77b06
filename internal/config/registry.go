package config

import (
	"cmp"
	"crypto/ed25519"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

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

// placed is a job and where it lives.
type placed struct {
	vaults   []string
	policy   holdfast.Policy
	policies map[string]holdfast.Policy // by vault
	copied   []string                   // the vaults that no host sends to
	alert    JobAlert
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

// Job returns all vaults and the policy of a job of a host: those of its entry
// under host/job, else under job, else the defaults. ok is false where the
// configuration knows no such host or the host has no such job, where several
// vaults could be meant, and for a job that only a pattern of the host's matches
// and that has no entry: a host that is taken over could invent any number of
// those. A revoked host's jobs are answered too. The vaults of a job that no host
// pushes are those that adopt it.
//
// What holds in one of the vaults may differ from the policy: see PolicyIn.
func (r *Registry) Job(host, job string) (vaults []string, p holdfast.Policy, ok bool) {
	h, known := r.hosts[host]
	if !known || !mayPush(h, job) {
		return r.adoptedJob(host, job)
	}
	if entry, found := r.entry(host, job); found {
		return slices.Clone(entry.vaults), entry.policy, len(entry.vaults) > 0
	}
	if len(r.vaults) != 1 || !slices.Contains(h.Jobs, job) {
		return nil, holdfast.Policy{}, false
	}
	return slices.Clone(r.vaults), r.standard, true
}

// adoptedJob is Job for one that no host pushes.
func (r *Registry) adoptedJob(host, job string) (vaults []string, p holdfast.Policy, ok bool) {
	vaults, ok = r.adopted[holdfast.JobName{Host: host, Job: job}]
	if !ok {
		return nil, holdfast.Policy{}, false
	}
	p = r.standard
	if entry, found := r.entry(host, job); found {
		p = entry.policy
	}
	return slices.Clone(vaults), p, true
}

// Adopts reports whether a vault adopts backups of others' making for the job.
func (r *Registry) Adopts(host, job string) bool {
	return r.adopted[holdfast.JobName{Host: host, Job: job}] != nil
}

// PolicyIn returns the policy of a job in one vault; ok is false where Job says
// so and for a vault that the job's backups do not go to and that adopts none.
func (r *Registry) PolicyIn(vault, host, job string) (p holdfast.Policy, ok bool) {
	vaults, p, ok := r.Job(host, job)
	if !ok || !slices.Contains(vaults, vault) {
		vaults, p, ok = r.adoptedJob(host, job)
	}
	if !ok || !slices.Contains(vaults, vault) {
		return holdfast.Policy{}, false
	}
	if entry, found := r.entry(host, job); found {
		if own, differs := entry.policies[vault]; differs {
			return own, true
		}
	}
	return p, true
}

// Copied reports whether no host sends to the vault what it has of the job, because
// `holdfast copy` fills it.
func (r *Registry) Copied(vault, host, job string) bool {
	entry, _ := r.entry(host, job)
	return slices.Contains(entry.copied, vault)
}

// entry returns what the configuration says of a job: the entry of host/job,
// else that of job.
func (r *Registry) entry(host, job string) (entry placed, found bool) {
	if entry, found = r.policies[host+"/"+job]; !found {
		entry, found = r.policies[job]
	}
	return entry, found
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

// Expected returns the jobs that must have backups, in order: those that hosts
// name in full, and those that are adopted. What a pattern may match is not known before it is pushed. A
// revoked host is expected no more.
func (r *Registry) Expected() []holdfast.JobName {
	var expected []holdfast.JobName
	for _, host := range slices.Sorted(maps.Keys(r.hosts)) {
		if r.hosts[host].Revoked {
			continue
		}
		for _, job := range slices.Compact(slices.Sorted(slices.Values(r.hosts[host].Jobs))) {
			if !strings.Contains(job, "*") {
				expected = append(expected, holdfast.JobName{Host: host, Job: job})
			}
		}
	}
	expected = slices.AppendSeq(expected, maps.Keys(r.adopted))
	slices.SortFunc(expected, func(a, b holdfast.JobName) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Job, b.Job))
	})
	return slices.Compact(expected)
}

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

// place returns where a job's entry puts it and with what policies; no vault
// where it does not say which of several.
func (c *Holdfast) place(j Job) (placed, error) {
	policy, err := j.Policy()
	if err != nil {
		return placed{}, err
	}
	p := placed{vaults: j.Vault.Names, policy: policy, policies: map[string]holdfast.Policy{}, alert: j.Alert}
	if len(p.vaults) == 0 && len(c.Vaults) == 1 {
		p.vaults = slices.Collect(maps.Keys(c.Vaults))
	}
	for vault, terms := range j.Vault.Terms {
		if terms.Copied {
			p.copied = append(p.copied, vault)
		}
		if p.policies[vault], err = j.In(vault).Policy(); err != nil {
			return placed{}, err
		}
	}
	return p, nil
}

// hasVault reports whether it is said, or clear, in which vault the job lies.
func (c *Holdfast) hasVault(host, job string) bool {
	if len(c.Vaults) < 2 {
		return true
	}
	_, byHost := c.Jobs[host+"/"+job]
	_, byJob := c.Jobs[job]
	return byHost || byJob // an entry without a vault is a problem of its own
}
