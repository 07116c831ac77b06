package main

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-backup/holdfast/internal/alert/open"
	"github.com/holdfast-backup/holdfast/internal/api"
	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/monitor"
	"github.com/holdfast-backup/holdfast/internal/rounds"
	"github.com/holdfast-backup/holdfast/internal/server"
	"github.com/holdfast-backup/holdfast/internal/site"
)

// roundTime is how long a round in one vault may take, as in holdfast serve.
const roundTime = 15 * time.Minute

// tell does a round of the monitor as `holdfast serve` does it, and reports whether
// people were told what they had to be.
func (o *options) tell(command *cobra.Command, c *config.Holdfast, r rounds.Rounds, run monitor.Options) (all []monitor.Result, told bool, err error) {
	ctx := command.Context()
	_, vaults, err := o.direct(ctx)
	if err != nil {
		return nil, false, err
	}
	log := cli.Logger(command.ErrOrStderr(), slog.LevelWarn)
	channels, problems := open.Open(ctx, c.Alerts.Channels, open.Options{Secrets: secrets(), HTTP: http.DefaultClient, Now: time.Now})
	for name, err := range problems {
		log.Error("alerts", "channel", name, "err", err)
	}
	watcher := rounds.NewWatcher(rounds.WatcherOptions{
		Rounds: r, Channels: channels, Broken: problems, Program: "holdfast " + version,
		Link: func(ctx context.Context, name string) (string, error) {
			if link, err := site.PageLink(ctx, vaults[name], server.LinkLife); link != "" || err != nil {
				return link, err
			}
			if c.Broker.URL == "" || c.Broker.Secret == "" || !answers(ctx, c.Broker.URL) {
				return "", nil // nobody serves a page
			}
			sealer, err := site.Sealer(ctx, c, secrets())
			if err != nil {
				return "", err
			}
			return server.StatusLink(sealer, c.Broker.URL, time.Now().Add(server.LinkLife))
		},
	})
	beat := func(err error) {
		if err != nil {
			log.Warn("heartbeat", "err", err)
		}
	}
	beat(watcher.Begin(ctx))
	names := slices.Sorted(maps.Keys(vaults))
	done := make([]rounds.Watched, len(names))
	var running sync.WaitGroup
	for i, name := range names {
		running.Go(func() { // all at once: one that does not answer must not blind the monitor to others
			ctx, cancel := context.WithTimeout(ctx, roundTime)
			defer cancel()
			done[i] = watcher.Vault(ctx, name, vaults[name], run)
		})
	}
	running.Wait()
	if err := ctx.Err(); err != nil {
		return nil, false, err // called off: that says nothing of the vaults
	}
	var errs []error
	fine := true
	for _, round := range done {
		round.LogTelling(log)
		fine = fine && round.Fine()
		all, errs = append(all, round.Result), append(errs, round.Judging)
	}
	beat(watcher.End(ctx, fine))
	return all, fine, errors.Join(errs...)
}

// answers reports whether a server is there that would show the page.
func answers(ctx context.Context, url string) bool {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(url, "/")+api.PathHealth, nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}
