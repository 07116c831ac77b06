package push

import (
	"context"
	"fmt"

	"github.com/holdfast-backup/holdfast/internal/heartbeat"
)

// ping tells a heartbeat URL. A failure of it is a warning and never more: what
// watches the heartbeat will notice that it did not come.
func (r *run) ping(ctx context.Context, what, url string) {
	if url == "" {
		return
	}
	if err := heartbeat.Ping(ctx, r.HTTP, url, r.Sleep); err != nil {
		r.warn(fmt.Errorf("ping %s heartbeat: %w", what, err))
	}
}
