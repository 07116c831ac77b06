package broker

import (
	"context"
	"fmt"

	"github.com/holdfast-backup/holdfast/internal/api"
)

const maxReason = 256 // bytes, in the log

// abort discards the uploads of a backup that was begun. What is committed
// stays: the push half has no way to delete an object.
func (b *Broker) abort(ctx context.Context, c *call) (any, error) {
	var req api.AbortRequest
	if err := c.decode(&req); err != nil {
		return nil, err
	}
	u, vault, err := b.openUpload(c, req.UploadToken)
	if err != nil {
		return nil, err
	}
	unlock, err := b.jobs.lock(ctx, u.Vault, u.Host, u.Job)
	if err != nil {
		return nil, err
	}
	defer unlock()
	for _, s := range u.Streams {
		if err := vault.AbortUpload(ctx, u.of(s)); err != nil {
			return nil, fmt.Errorf("abort upload of %q: %w", u.Key(s.File), err)
		}
	}
	b.log.Info("aborted", "host", u.Host, "job", u.Job, "id", u.ID, "vault", u.Vault, "reason", cutEnd(line(req.Reason), maxReason), "request", c.id)
	return nil, nil
}
