package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/monitor"
	"github.com/holdfast-backup/holdfast/internal/operator"
	"github.com/holdfast-backup/holdfast/internal/rounds"
)

func monitorCommand(o *options) *cobra.Command {
	var run monitor.Options
	var reread, quiet, tell, silent bool
	command := &cobra.Command{
		Use:   "monitor [[HOST/]JOB]",
		Short: "Judge every job: fresh, big enough, whole; exit 1 when something is unhealthy",
		Long: `Judge every job from what is in the vault: fresh, big enough, of the usual size,
whole, signed. holdfast serve does the same all the time. With --alert also do what it
does besides: tell the channels under alerts in holdfast.yaml what has changed, write
the status page into the vault, and ping the heartbeat.

With --broker it judges what the broker lists, by the policies of the local
configuration file: names, sizes and manifests, without a memory and without
reading data again.

Exit codes: 0 all healthy, 1 something is unhealthy or the vault can't be judged.`,
		Example: `  holdfast monitor
  holdfast monitor --quiet             # for cron, which then mails what is unhealthy
  holdfast monitor --alert --quiet     # for cron, where holdfast serve does not run`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			var err error
			if run.Only, err = onlyJob(args); err != nil {
				return err
			}
			if tell && (o.broker != "" || run.DryRun || run.Only != nil) {
				return cli.Usage(errors.New("--alert: goes with neither --broker nor --dry-run nor a job"))
			}
			c, vaults, hidden, err := o.watched(command.Context())
			if err != nil {
				return err
			}
			for _, name := range hidden {
				if !quiet {
					warner(command)(fmt.Sprintf("vault %q is not judged: the broker does not show it", name))
				}
			}
			if len(args) == 1 {
				if _, err := named(c, args[0]); err != nil {
					return err
				}
			}
			r, err := rules(c)
			if err != nil {
				return err
			}
			if o.broker != "" {
				run.DryRun = true
			} else if reread {
				run.HashBytes = monitor.DefaultHashBytes
			}
			var all []monitor.Result
			if tell {
				var told bool
				all, told, err = o.tell(command, c, r, run)
				silent = quiet && told // cron is to mail only what the channels could not tell
			} else {
				all, err = r.Monitor(command.Context(), vaults, run)
			}
			if o.asJSON {
				err = errors.Join(err, cli.JSON(command.OutOrStdout(), map[string]any{"vaults": all}))
			} else {
				for _, result := range all {
					if !silent && (!quiet || len(result.Findings) > 0) {
						err = errors.Join(err, result.Text(command.OutOrStdout()))
					}
				}
			}
			if err != nil {
				return err
			}
			for _, result := range all {
				if len(result.Findings) > 0 {
					return cli.Silent(cli.ExitFailed)
				}
			}
			return nil
		},
	}
	command.Flags().BoolVarP(&run.DryRun, "dry-run", "n", false, "do not remember what was found")
	command.Flags().BoolVarP(&quiet, "quiet", "q", false, "say nothing while all is healthy; with --alert, also of what people were told")
	command.Flags().BoolVar(&tell, "alert", false, "tell people what has changed, write the status page, ping the heartbeat")
	command.Flags().BoolVar(&reread, "reread", true, "read the newest objects again, in turn, and compare their hashes")
	return command
}

// watched returns the vaults to judge: the configured ones, or what the broker
// shows of those that it signs for. hidden are configured ones that it does not show.
func (o *options) watched(ctx context.Context) (c *config.Holdfast, views map[string]monitor.Vault, hidden []string, err error) {
	if o.broker == "" {
		c, vaults, err := o.direct(ctx)
		return c, rounds.ToMonitor(vaults), nil, err
	}
	c, err = o.load(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	registry, err := c.Registry()
	if err != nil {
		return nil, nil, nil, cli.Usage(err)
	}
	broker, err := o.client()
	if err != nil {
		return nil, nil, nil, err
	}
	health, err := broker.Health(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	if o.vault != "" {
		if err := operator.Shown(health, o.vault); err != nil {
			return nil, nil, nil, o.sought(err)
		}
	}
	for name := range o.wanted(c) {
		if _, shown := health.Vaults[name]; !shown {
			hidden = append(hidden, name)
		}
	}
	slices.Sort(hidden)
	views = map[string]monitor.Vault{}
	for name := range health.Vaults {
		if o.vault == "" || name == o.vault {
			views[name] = operator.View{Client: broker, Vault: name, Adopts: registry.Adopts}
		}
	}
	if len(views) == 0 {
		return nil, nil, nil, cli.Hint(errors.New("judge through the broker: it shows no vault"), "run it where the keys of the vaults are, without --broker and $HOLDFAST_BROKER")
	}
	return c, views, hidden, nil
}
