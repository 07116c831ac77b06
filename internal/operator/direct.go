package operator

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
	"github.com/holdfast-backup/holdfast/internal/catalog"
	"github.com/holdfast-backup/holdfast/internal/restore"
)

// Vault is what Direct may do with a vault.
type Vault interface {
	holdfast.Lister
	holdfast.UploadLister
	holdfast.Reader
}

// Direct sees backups in the vaults themselves.
type Direct struct {
	Vaults map[string]Vault // by name
	// Closed says of vaults that they could not be opened, and why.
	Closed   map[string]error
	HostKeys func(host string) []ed25519.PublicKey
	// Order returns the names of a job's vaults in the order in which its backups
	// are looked for in them; nil for that of the alphabet.
	Order func(host, job string) []string
	// Signs reports whether the broker can redeem tickets from a vault; nil for
	// each.
	Signs func(vault string) bool
	// Seal makes a ticket for a vault, or for whichever has the backup where that
	// is empty; nil where the configuration has no broker.
	Seal func(vault string, ref holdfast.Ref, file string, expires time.Time) (url string, err error)
	// Only says that one vault was asked for, and tickets are to be for it alone.
	Only bool
	Now  func() time.Time
}

// List implements Backups.
func (d *Direct) List(ctx context.Context, host, job string) (Listing, error) {
	return d.list(ctx, host, job, false)
}

// ListAll is List with the uploads that are under way or were broken off, as
// data of backups that are not committed.
func (d *Direct) ListAll(ctx context.Context, host, job string) (Listing, error) {
	return d.list(ctx, host, job, true)
}

// How long a vault may take to list one job, and everything.
const (
	listTime    = time.Minute
	listAllTime = 15 * time.Minute
)

// list asks all vaults at once, so that one that hangs costs no more than itself.
func (d *Direct) list(ctx context.Context, host, job string, unfinished bool) (Listing, error) {
	names := slices.Sorted(maps.Keys(d.Vaults))
	entries, errs := make([][]Entry, len(names)), make([]error, len(names))
	limit := listAllTime
	if job != "" {
		limit = listTime
	}
	var running sync.WaitGroup
	for i, name := range names {
		running.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, limit)
			defer cancel()
			entries[i], errs[i] = d.listIn(ctx, name, host, job, unfinished)
		})
	}
	running.Wait()
	var l Listing
	for i, name := range names {
		if errs[i] != nil {
			l.Missing = append(l.Missing, Missing{name, errs[i]})
			continue
		}
		l.Entries = append(l.Entries, entries[i]...)
	}
	for _, name := range slices.Sorted(maps.Keys(d.Closed)) {
		l.Missing = append(l.Missing, Missing{name, d.Closed[name]})
	}
	if len(l.Missing) > 0 && len(l.Missing) == len(d.Vaults)+len(d.Closed) {
		return Listing{}, l.nothing()
	}
	d.sort(l.Entries)
	return l, nil
}

// nothing is the error of a listing that lacks every vault.
func (l Listing) nothing() error {
	var errs []error
	for _, m := range l.Missing {
		errs = append(errs, fmt.Errorf("vault %q: %w", m.Vault, m.Err))
	}
	return errors.Join(errs...)
}

// sort orders entries as a Listing has them.
func (d *Direct) sort(entries []Entry) {
	orders := map[holdfast.JobName][]string{}
	place := func(e Entry) int {
		name := holdfast.JobName{Host: e.Host, Job: e.Job}
		order, known := orders[name]
		if !known && d.Order != nil {
			order = d.Order(e.Host, e.Job)
			orders[name] = order
		}
		if i := slices.Index(order, e.Vault); i >= 0 {
			return i
		}
		return len(order)
	}
	slices.SortStableFunc(entries, func(a, b Entry) int {
		if c := newestFirst(a, b); c != 0 {
			return c
		}
		return place(a) - place(b)
	})
}

// listIn returns what one vault has.
func (d *Direct) listIn(ctx context.Context, name, host, job string, unfinished bool) ([]Entry, error) {
	var entries []Entry
	prefix := listPrefix(host, job)
	for j, err := range catalog.Jobs(ctx, d.Vaults[name], prefix) {
		if err != nil {
			return nil, err
		}
		if job != "" && j.Name != job {
			continue
		}
		for _, b := range j.Backups {
			entries = append(entries, Entry{b, name})
		}
	}
	if !unfinished {
		return entries, nil
	}
	at := map[holdfast.Ref]int{}
	for i, e := range entries {
		at[e.Ref] = i
	}
	for u, err := range d.Vaults[name].ListUploads(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		ref, _, ok := holdfast.ParseKey(u.Key)
		if !ok || job != "" && ref.Job != job {
			continue
		}
		i, known := at[ref]
		if !known {
			i = len(entries)
			at[ref] = i
			entries = append(entries, Entry{holdfast.Backup{Ref: ref}, name})
		}
		if !entries[i].Committed {
			entries[i].Data = append(entries[i].Data, holdfast.Object{Key: u.Key, Size: u.Size, ModTime: u.Started})
		}
	}
	return entries, nil
}

// listPrefix returns the prefix of what a listing of a job of a host has to see.
func listPrefix(host, job string) string {
	switch {
	case host != "" && job != "":
		return holdfast.JobPrefix(host, job)
	case host != "":
		return holdfast.BackupsPrefix + host + "/"
	}
	return holdfast.BackupsPrefix
}

// Fetcher implements Backups.
func (d *Direct) Fetcher(e Entry) (restore.Fetcher, error) {
	vault, ok := d.Vaults[e.Vault]
	if !ok {
		return nil, fmt.Errorf("vault %q: %w", e.Vault, holdfast.ErrNotExist)
	}
	return restore.Direct(vault, e.Ref, d.HostKeys(e.Host)...), nil
}

// Ticket implements Backups.
func (d *Direct) Ticket(_ context.Context, e Entry, file string, ttl time.Duration) (api.TicketResponse, error) {
	switch {
	case d.Seal == nil:
		return api.TicketResponse{}, errNoTickets
	case d.Signs != nil && !d.Signs(e.Vault):
		return api.TicketResponse{}, fmt.Errorf("make ticket for %s in vault %q: %w", e.Ref, e.Vault, errNotSigned)
	}
	vault := ""
	if d.Only {
		vault = e.Vault
	}
	expires := d.Now().Add(ttl).UTC().Truncate(time.Second)
	url, err := d.Seal(vault, e.Ref, file, expires)
	return api.TicketResponse{URL: url, Expires: expires}, err
}
