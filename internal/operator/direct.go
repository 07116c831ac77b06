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
	prefix := holdfast.BackupsPrefix
	switch {
	case host != "" && job != "":
		prefix = holdfast.JobPrefix(host, job)
	case host != "":
		prefix += host + "/"
	}
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
