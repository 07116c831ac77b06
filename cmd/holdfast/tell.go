package main

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
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

// tell does a round of the monitor as `holdfast serve` does it.
func (o *options) tell(command *cobra.Command, c *config.Holdfast, r rounds.Rounds, run monitor.Options) ([]monitor.Result, error) {
	ctx := command.Context()
	_, vaults, err := o.direct(ctx)
	if err != nil {
		return nil, err
	}
	log := cli.Logger(command.ErrOrStderr(), slog.LevelWarn)
	channels, problems := open.Open(ctx, c.Alerts.Channels, open.Options{Secrets: secrets(), HTTP: http.DefaultClient, Now: time.Now})
	for _, err := range problems {
		log.Error("alerts", "err", err)
	}
	watcher := rounds.NewWatcher(rounds.WatcherOptions{
		Rounds: r, Channels: channels, Program: "holdfast " + version,
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
	all, fine := []monitor.Result{}, true
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(vaults)) {
		round := watcher.Vault(ctx, name, vaults[name], run)
		round.LogTelling(log)
		fine = fine && round.Fine()
		all, errs = append(all, round.Result), append(errs, round.Judging)
	}
	beat(watcher.End(ctx, fine))
	return all, errors.Join(errs...)
}
