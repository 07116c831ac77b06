package operator

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"maps"
	"slices"
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
	Vaults   map[string]Vault // by name
	HostKeys func(host string) []ed25519.PublicKey
	// Seal makes a ticket; nil where the configuration has no broker.
	Seal func(ref holdfast.Ref, file string, expires time.Time) (url string, err error)
	Now  func() time.Time
}

// List implements Backups.
func (d *Direct) List(ctx context.Context, host, job string) ([]Entry, error) {
	var entries []Entry
	prefix := listPrefix(host, job)
	for _, name := range slices.Sorted(maps.Keys(d.Vaults)) {
		for j, err := range catalog.Jobs(ctx, d.Vaults[name], prefix) {
			if err != nil {
				return nil, fmt.Errorf("vault %q: %w", name, err)
			}
			if job != "" && j.Name != job {
				continue
			}
			for _, b := range j.Backups {
				entries = append(entries, Entry{b, name})
			}
		}
	}
	slices.SortStableFunc(entries, newestFirst)
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

// ListAll is List with the uploads that are under way or were broken off, as
// data of backups that are not committed.
func (d *Direct) ListAll(ctx context.Context, host, job string) ([]Entry, error) {
	entries, err := d.List(ctx, host, job)
	if err != nil {
		return nil, err
	}
	at := map[holdfast.Ref]int{}
	for i, e := range entries {
		at[e.Ref] = i
	}
	for _, name := range slices.Sorted(maps.Keys(d.Vaults)) {
		for u, err := range d.Vaults[name].ListUploads(ctx, listPrefix(host, job)) {
			if err != nil {
				return nil, fmt.Errorf("vault %q: %w", name, err)
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
	}
	slices.SortStableFunc(entries, newestFirst)
	return entries, nil
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
	if d.Seal == nil {
		return api.TicketResponse{}, errNoTickets
	}
	expires := d.Now().Add(ttl).UTC().Truncate(time.Second)
	url, err := d.Seal(e.Ref, file, expires)
	return api.TicketResponse{URL: url, Expires: expires}, err
}
