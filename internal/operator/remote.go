package operator

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
	"github.com/holdfast-backup/holdfast/internal/client"
	"github.com/holdfast-backup/holdfast/internal/restore"
)

// Remote sees backups through the broker, with an operator's key: those in the
// vaults that the broker signs for.
type Remote struct {
	Client *client.Client
	Vault  string // the only one to look into; empty for all
}

// List implements Backups.
func (r *Remote) List(ctx context.Context, host, job string) (Listing, error) {
	answer, err := r.Client.List(ctx, host, job)
	if err != nil {
		return Listing{}, err
	}
	var l Listing
	for _, b := range answer.Backups {
		if err := b.Ref.Check(); err != nil {
			return Listing{}, fmt.Errorf("list through the broker: %w", err)
		}
		if r.Vault == "" || b.Vault == r.Vault {
			l.Entries = append(l.Entries, Entry{b.Backup, b.Vault})
		}
	}
	for _, u := range answer.Unavailable {
		if r.Vault == "" || u.Vault == r.Vault {
			l.Missing = append(l.Missing, Missing{u.Vault, errors.New(holdfast.Printable(u.Reason))})
		}
	}
	slices.SortStableFunc(l.Entries, newestFirst)
	if r.Vault != "" && len(l.Entries)+len(l.Missing) == 0 {
		return l, r.shown(ctx) // nothing in it, or nothing seen of it
	}
	return l, nil
}

// NotShownError: the broker does not show a vault, be it because there is none of
// that name or because it cannot sign for it.
type NotShownError struct {
	Vault string
	Shown []string // those that it does show
}

func (e *NotShownError) Error() string {
	shown := "none"
	if len(e.Shown) > 0 {
		shown = strings.Join(e.Shown, ", ")
	}
	return fmt.Sprintf("look into vault %q: the broker does not show it; it shows %s", e.Vault, holdfast.Printable(shown))
}

// shown returns a NotShownError unless the broker shows the vault that is asked for.
func (r *Remote) shown(ctx context.Context) error {
	health, err := r.Client.Health(ctx)
	if err != nil {
		return err
	}
	return Shown(health, r.Vault)
}

// Shown returns a NotShownError unless the broker, by its health, shows the vault.
func Shown(health api.Health, vault string) error {
	if _, ok := health.Vaults[vault]; ok {
		return nil
	}
	return &NotShownError{vault, slices.Sorted(maps.Keys(health.Vaults))}
}

// Fetcher implements Backups.
func (r *Remote) Fetcher(e Entry) (restore.Fetcher, error) {
	return restore.Signed(copyIn{r.Client, e.Vault}, e.Ref, nil), nil
}

// copyIn takes downloads from one vault; from the first that the broker finds
// where none is named.
type copyIn struct {
	client *client.Client
	vault  string
}

// Downloads has restore.Signed read it.
func (c copyIn) Downloads(ctx context.Context, ref holdfast.Ref) (api.DownloadResponse, error) {
	return c.client.Downloads(ctx, api.DownloadRequest{Ref: ref, Vault: c.vault})
}

// Ticket implements Backups.
func (r *Remote) Ticket(ctx context.Context, e Entry, file string, ttl time.Duration) (api.TicketResponse, error) {
	return r.Client.Ticket(ctx, api.TicketRequest{Ref: e.Ref, File: file, TTL: int64(ttl / time.Second), Vault: r.Vault})
}
