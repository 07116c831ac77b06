package operator

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-backup/holdfast/internal/api"
	"github.com/holdfast-backup/holdfast/internal/client"
	"github.com/holdfast-backup/holdfast/internal/restore"
)

// Remote sees backups through the broker, with an operator's key.
type Remote struct{ Client *client.Client }

// List implements Backups.
func (r *Remote) List(ctx context.Context, host, job string) ([]Entry, error) {
	answer, err := r.Client.List(ctx, host, job)
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, len(answer.Backups))
	for i, b := range answer.Backups {
		if err := b.Ref.Check(); err != nil {
			return nil, fmt.Errorf("list through the broker: %w", err)
		}
		entries[i] = Entry{Backup: b}
	}
	slices.SortStableFunc(entries, newestFirst)
	return entries, nil
}

// Fetcher implements Backups.
func (r *Remote) Fetcher(e Entry) (restore.Fetcher, error) {
	return restore.Signed(r.Client, e.Ref, nil), nil
}

// Ticket implements Backups.
func (r *Remote) Ticket(ctx context.Context, e Entry, file string, ttl time.Duration) (api.TicketResponse, error) {
	return r.Client.Ticket(ctx, api.TicketRequest{Ref: e.Ref, File: file, TTL: int64(ttl / time.Second)})
}
