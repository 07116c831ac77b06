package config

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/holdfast-backup/holdfast"
)

// placed is a job and where it lives.
type placed struct {
	vaults   []string
	policy   holdfast.Policy
	policies map[string]holdfast.Policy // by vault
	copied   []string                   // the vaults that no host sends to
	alert    JobAlert
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
