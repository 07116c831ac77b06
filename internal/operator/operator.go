// Package operator is what a person can do with backups in either of two ways:
// directly, where the vaults and the configuration are, or from anywhere
// through the broker. It finds backups by what people call them. It changes
// nothing.
package operator

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
	"github.com/holdfast-backup/holdfast/internal/restore"
)

// Backups is a view of backups. Direct and Remote are the two there are.
type Backups interface {
	// List returns the backups of a job of a host, or of all where a name is
	// empty, committed or not.
	List(ctx context.Context, host, job string) ([]Entry, error)
	// Fetcher returns what reads the backup of an entry.
	Fetcher(e Entry) (restore.Fetcher, error)
	// Ticket returns a link to one file of the backup, which anybody may use
	// for ttl.
	Ticket(ctx context.Context, e Entry, file string, ttl time.Duration) (api.TicketResponse, error)
}

// Entry is a backup and where it was seen.
type Entry struct {
	holdfast.Backup
	Vault string `json:"vault,omitempty"` // its name; empty through the broker
}

// Find returns the one backup that the selector means at the time now.
func Find(ctx context.Context, b Backups, s holdfast.Selector, now time.Time) (Entry, error) {
	entries, err := b.List(ctx, s.Host, s.Job)
	if err == nil && len(entries) == 0 {
		entries, err = b.List(ctx, "", "") // so that the error can name what there is instead
	}
	if err != nil {
		return Entry{}, err
	}
	all := make([]holdfast.Backup, len(entries))
	for i, e := range entries {
		all[i] = e.Backup
	}
	picked, err := s.Pick(all, now)
	if err != nil {
		return Entry{}, err
	}
	at := slices.IndexFunc(entries, func(e Entry) bool { return e.Ref == picked.Ref && e.Committed })
	return entries[at], nil
}

// newestFirst orders entries by host and job, the newest first within each.
func newestFirst(a, b Entry) int {
	return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Job, b.Job), cmp.Compare(b.ID, a.ID))
}

// errNoTickets: the configuration that was given has no broker to redeem them.
var errNoTickets = errors.New("make ticket: the configuration has no broker.url and broker.secret")
