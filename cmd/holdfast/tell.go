package main

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-backup/holdfast/internal/alert/open"
	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/monitor"
	"github.com/holdfast-backup/holdfast/internal/rounds"
	"github.com/holdfast-backup/holdfast/internal/server"
	"github.com/holdfast-backup/holdfast/internal/site"
)

// roundTime is how long a round in one vault may take, as in holdfast serve.
const roundTime = 15 * time.Minute

// tell does a round of the monitor as `holdfast serve` does it.
func (o *options) tell(command *cobra.Command, c *config.Holdfast, r rounds.Rounds, run monitor.Options) ([]monitor.Result, error) {
	ctx := command.Context()
	_, vaults, err := o.direct(ctx)
	if err != nil {
		return nil, err
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
			if c.Broker.URL == "" || c.Broker.Secret == "" {
				return "", nil
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
		return nil, err // called off: that says nothing of the vaults
	}
	var all []monitor.Result
	var errs []error
	fine := true
	for _, round := range done {
		round.LogTelling(log)
		fine = fine && round.Fine()
		all, errs = append(all, round.Result), append(errs, round.Judging)
	}
	beat(watcher.End(ctx, fine))
	return all, errors.Join(errs...)
}
