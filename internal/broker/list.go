package broker

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
	"github.com/holdfast-backup/holdfast/internal/catalog"
)

// list shows the backups that the caller may restore, of one host or job if it
// asks for that, newest first within each job, uncommitted ones too. A vault that is
// down does not hide what the others have.
func (b *Broker) list(ctx context.Context, c *call) (any, error) {
	if !slices.Contains(c.principal.Scopes, holdfast.ScopeRestore) {
		return nil, notFound(fmt.Errorf("%s may not list", c.principal.Name))
	}
	query := c.request.URL.Query()
	host, job := query.Get("host"), query.Get("job")
	prefix := holdfast.BackupsPrefix
	if host != "" {
		if err := holdfast.CheckName("host", host); err != nil {
			return nil, invalid(err)
		}
		prefix += host + "/"
	}
	if job != "" {
		if err := holdfast.CheckName("job", job); err != nil {
			return nil, invalid(err)
		}
		if host != "" {
			prefix = holdfast.JobPrefix(host, job)
		}
	}
	answer := api.ListResponse{Backups: []api.Listed{}, Now: c.now.UTC()}
	names := slices.Sorted(maps.Keys(b.restore))
	listed, errs := inEach(ctx, b, c.id, names, listTime, func(ctx context.Context, name string) ([]api.Listed, error) {
		return b.listIn(ctx, c.principal, name, prefix, job)
	})
	for i, err := range errs {
		if err == nil {
			answer.Backups = append(answer.Backups, listed[i]...)
			continue
		}
		p := problem(err, c.now)
		answer.Unavailable = append(answer.Unavailable, api.Unavailable{Vault: names[i], Reason: said(p.Error())})
		if len(names) > 1 { // else it is the answer, which is logged
			b.log.Error("vault not listed", "vault", names[i], "request", c.id, "err", said(err.Error()))
		}
	}
	if len(names) > 0 && len(answer.Unavailable) == len(names) {
		return nil, mostHopeful(errs)
	}
	b.sortListed(answer.Backups)
	return answer, nil
}

// sortListed orders backups by job, the newest first, and the copies of one as
// its job names their vaults.
func (b *Broker) sortListed(all []api.Listed) {
	orders := map[holdfast.JobName][]string{}
	place := func(l api.Listed) int {
		name := holdfast.JobName{Host: l.Host, Job: l.Job}
		order, known := orders[name]
		if !known {
			order, _ = b.places(l.Ref)
			orders[name] = order
		}
		return slices.Index(order, l.Vault)
	}
	slices.SortStableFunc(all, func(x, y api.Listed) int {
		if c := cmp.Or(cmp.Compare(x.Host, y.Host), cmp.Compare(x.Job, y.Job), cmp.Compare(y.ID, x.ID)); c != 0 {
			return c
		}
		return place(x) - place(y)
	})
}

// listIn returns what the caller may restore of what begins with prefix in one
// vault, of one job if it is not empty.
func (b *Broker) listIn(ctx context.Context, p holdfast.Principal, name, prefix, job string) ([]api.Listed, error) {
	var all []api.Listed
	for found, err := range catalog.Jobs(ctx, b.restore[name], prefix) {
		if err != nil {
			return nil, err
		}
		if job != "" && found.Name != job || !p.May(holdfast.ScopeRestore, found.Host, found.Name) {
			continue
		}
		for _, backup := range found.Backups {
			all = append(all, api.Listed{Backup: backup, Vault: name})
		}
	}
	return all, nil
}
