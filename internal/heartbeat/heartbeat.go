// Package heartbeat pings the URLs by which a service elsewhere notices that
// something has stopped running: healthchecks.io, UptimeRobot and others.
package heartbeat

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/holdfast-backup/holdfast/internal/secret"
)

const (
	timeout   = 10 * time.Second // for all tries
	tries     = 3
	pause     = time.Second
	maxAnswer = 64 << 10 // bytes that are read of an answer
)

// Ping fetches the URL, three times at most and for no longer than ten seconds.
// The error does not hold the URL. sleep waits, or returns an error once its
// context has ended.
func Ping(ctx context.Context, client *http.Client, url string, sleep func(context.Context, time.Duration) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var err error
	for try := 1; ; try++ {
		if err = once(ctx, client, url); err == nil {
			return nil
		}
		if try == tries || sleep(ctx, pause) != nil {
			return err
		}
	}
}

func once(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return secret.WithoutURL(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return secret.WithoutURL(err)
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("answered %s", resp.Status)
	}
	return nil
}
