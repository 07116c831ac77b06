package push

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	pingTimeout = 10 * time.Second
	pingTries   = 3
)

// ping tells a heartbeat URL. A failure of it is a warning and never more: what
// watches the heartbeat will notice that it did not come.
func (r *run) ping(ctx context.Context, what, url string) {
	if url == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	var err error
	for try := 1; try <= pingTries; try++ {
		if err = r.pingOnce(ctx, url); err == nil {
			return
		}
		if try == pingTries || r.Sleep(ctx, time.Second) != nil {
			break
		}
	}
	r.warn(fmt.Errorf("ping %s heartbeat: %w", what, err))
}

func (r *run) pingOnce(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return withoutURL(err)
	}
	resp, err := r.HTTP.Do(req)
	if err != nil {
		return withoutURL(err)
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("answered %s", resp.Status)
	}
	return nil
}
