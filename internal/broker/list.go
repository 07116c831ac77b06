package broker

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
	"github.com/holdfast-backup/holdfast/internal/catalog"
)

// list shows the backups that the caller may restore, of one host or job if it
// asks for that, newest first within each job, uncommitted ones too.
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
	answer := api.ListResponse{Backups: []holdfast.Backup{}, Now: c.now.UTC()}
	for _, vault := range b.restore {
		for found, err := range catalog.Jobs(ctx, vault, prefix) {
			if err != nil {
				return nil, err
			}
			if job != "" && found.Name != job || !c.principal.May(holdfast.ScopeRestore, found.Host, found.Name) {
				continue
			}
			answer.Backups = append(answer.Backups, found.Backups...)
		}
	}
	slices.SortStableFunc(answer.Backups, func(x, y holdfast.Backup) int {
		return cmp.Or(cmp.Compare(x.Host, y.Host), cmp.Compare(x.Job, y.Job), cmp.Compare(y.ID, x.ID))
	})
	return answer, nil
}
