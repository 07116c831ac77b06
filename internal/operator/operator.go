// Package operator is what a person can do with backups in either of two ways:
// directly, where the vaults and the configuration are, or from anywhere
// through the broker. It finds backups by what people call them, and takes each
// from the first of its vaults that gives it. It changes nothing.
package operator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
	"github.com/holdfast-backup/holdfast/internal/restore"
)

// Backups is a view of backups. Direct and Remote are the two there are.
type Backups interface {
	// List returns the backups of a job of a host, or of all where a name is
	// empty, committed or not. A vault that cannot be listed is Missing from the
	// listing; it is an error only where none could be.
	List(ctx context.Context, host, job string) (Listing, error)
	// Fetcher returns what reads the backup of an entry.
	Fetcher(e Entry) (restore.Fetcher, error)
	// Ticket returns a link to one file of the backup, which anybody may use
	// for ttl.
	Ticket(ctx context.Context, e Entry, file string, ttl time.Duration) (api.TicketResponse, error)
}

// Entry is a backup in one vault.
type Entry struct {
	holdfast.Backup
	Vault string `json:"vault,omitempty"` // its name
}

// Listing is what a view shows.
type Listing struct {
	// Entries are the newest first within each job, each backup once for every
	// vault that has it, in the order in which its job names them.
	Entries []Entry
	Missing []Missing
}

// Missing is a vault that a listing lacks.
type Missing struct {
	Vault string
	Err   error
}

// Backups returns each backup of the listing once, with the places it has.
func (l Listing) Backups() []Placed {
	var all []Placed
	for _, e := range l.Entries {
		if n := len(all); n == 0 || all[n-1].Ref != e.Ref {
			all = append(all, Placed{Ref: e.Ref})
		}
		last := &all[len(all)-1]
		last.Places = append(last.Places, e)
	}
	return all
}

// Placed is a backup and the places it has.
type Placed struct {
	holdfast.Ref
	Places []Entry // at least one
}

// Best returns the place to speak of: the first that is committed, else the first.
func (p Placed) Best() Entry {
	for _, e := range p.Places {
		if e.Committed {
			return e
		}
	}
	return p.Places[0]
}

// Find returns the one backup that the selector means at the time now, with its
// committed places, and what the listing lacked.
func Find(ctx context.Context, b Backups, s holdfast.Selector, now time.Time) (Placed, []Missing, error) {
	l, err := b.List(ctx, s.Host, s.Job)
	if err == nil && len(l.Entries) == 0 && len(l.Missing) == 0 {
		l, err = b.List(ctx, "", "") // so that the error can name what there is instead
	}
	if err != nil {
		return Placed{}, nil, err
	}
	placed := l.Backups()
	all := make([]holdfast.Backup, len(placed))
	for i, p := range placed {
		all[i] = p.best(now).Backup
	}
	picked, err := s.Pick(all, now)
	if err != nil {
		return Placed{}, l.Missing, missed(err, l.Missing)
	}
	p := placed[slices.IndexFunc(placed, func(p Placed) bool { return p.Ref == picked.Ref })]
	p.Places = slices.DeleteFunc(p.Places, func(e Entry) bool { return !e.Committed })
	// What is whole comes before what is not, wherever it lies.
	slices.SortStableFunc(p.Places, func(a, b Entry) int { return rank(a.Good(now)) - rank(b.Good(now)) })
	return p, l.Missing, nil
}

func rank(good bool) int {
	if good {
		return 0
	}
	return 1
}

// best is Best, but a good place before any other.
func (p Placed) best(now time.Time) Entry {
	for _, e := range p.Places {
		if e.Good(now) {
			return e
		}
	}
	return p.Best()
}

// missed says that what was not found may lie in a vault that was not seen.
func missed(err error, missing []Missing) error {
	for _, m := range missing {
		err = fmt.Errorf("%w; vault %q could not be looked into: %v", err, m.Vault, m.Err)
	}
	return err
}

// newestFirst orders entries by host and job, the newest first within each.
func newestFirst(a, b Entry) int {
	return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Job, b.Job), cmp.Compare(b.ID, a.ID))
}

var (
	// errNoTickets: the configuration that was given has no broker to redeem them.
	errNoTickets = errors.New("make ticket: the configuration has no broker.url and broker.secret")
	// errNotSigned: the broker could not redeem it.
	errNotSigned = errors.New("the broker cannot sign downloads from it")
)
