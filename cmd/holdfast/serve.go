package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/server"
)

func serveCommand(o *options) *cobra.Command {
	var listen string
	command := &cobra.Command{
		Use:   "serve",
		Short: "Take backups in, thin them out and watch them",
		Long: `Take backups in, thin them out and watch them: the broker, uploads and downloads
of disk vaults, retention and the monitor in one process, until SIGTERM.

SIGHUP reads the configuration again and puts its hosts, operators, jobs and
policies into force.`,
		Example: "  holdfast serve --config /etc/holdfast/holdfast.yaml",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			c, err := o.load(command.Context())
			if err != nil {
				return err
			}
			if listen != "" {
				c.Broker.Listen = listen
			}
			log := cli.Logger(command.ErrOrStderr(), slog.LevelInfo)
			s, err := server.New(command.Context(), server.Options{Config: c, Secrets: secrets(), Version: version, Now: time.Now, Log: log})
			if err != nil {
				return cli.Usage(err)
			}
			reloadOnHangup(command.Context(), o, s, log)
			return s.Run(command.Context())
		},
	}
	command.Flags().StringVar(&listen, "listen", "", "address to listen on (default: broker.listen of the configuration)")
	return command
}

// reloadOnHangup puts a changed configuration into force at each SIGHUP. One
// with a mistake is reported, and the old one stays.
func reloadOnHangup(ctx context.Context, o *options, s *server.Server, log *slog.Logger) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangup:
			}
			if err := reload(ctx, o, s); err != nil {
				log.Error("reload: the old configuration stays in force", "err", err)
				continue
			}
			log.Info("reloaded")
		}
	}()
}

func reload(ctx context.Context, o *options, s *server.Server) error {
	path, err := o.find()
	if err != nil {
		return err
	}
	c, err := readConfig(ctx, path)
	if err != nil {
		return fmt.Errorf("read %q: %w", path, err)
	}
	return c.Locate(s.Reload(ctx, c))
}
