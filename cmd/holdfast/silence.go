package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os/user"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert"
	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/config"
)

// maxSilence is how long a job can be silenced at once: what has to be quiet for
// longer should be watched otherwise, or not at all.
var maxSilence = holdfast.Span{N: 90, Unit: holdfast.Day}

func silenceCommand(o *options) *cobra.Command {
	var length holdfast.Span
	var reason string
	var end bool
	command := &cobra.Command{
		Use:   "silence [[HOST/]JOB]",
		Short: "Tell nobody of a job for a time, which ends by itself; or show what is silenced",
		Long: `Tell nobody of a job for a time, which ends by itself. It is judged as before,
the monitor and the status page show it, and what is still wrong at the end is told
then. * stands for all hosts or all jobs. Without a job, show what is silenced.`,
		Example: `  holdfast silence crm --for 2d --reason 'moving to the new server'
  holdfast silence 'web1/*' --for 6h
  holdfast silence crm --end
  holdfast silence`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			if err := o.onlyDirect("silence"); err != nil {
				return err
			}
			c, vaults, err := o.direct(command.Context())
			if err != nil {
				return err
			}
			if len(args) == 0 {
				if end || !length.IsZero() {
					return cli.Usage(errors.New("name the job; '*/*' stands for all"))
				}
				return o.showSilences(command, vaults)
			}
			if end == !length.IsZero() {
				return cli.Usage(cli.Hint(errors.New("say either --for how long, or --end"), "such as: holdfast silence %s --for 2d", args[0]))
			}
			if length.Duration() > maxSilence.Duration() {
				return cli.Usage(fmt.Errorf("--for %s: want at most %s", length, maxSilence))
			}
			names, err := named(c, args[0])
			if err != nil {
				return err
			}
			now, ended := time.Now().UTC().Truncate(time.Second), false
			for _, name := range slices.Sorted(maps.Keys(vaults)) {
				if end {
					var was bool
					was, err = alert.EndSilence(command.Context(), vaults[name], names.Host, names.Job, now)
					ended = ended || was
				} else {
					err = alert.AddSilence(command.Context(), vaults[name], alert.Silence{
						Host: names.Host, Job: names.Job, From: now, Until: now.Add(length.Duration()), By: whoami(), Reason: reason,
					}, now)
				}
				if err != nil {
					return fmt.Errorf("vault %q: %w", name, err)
				}
			}
			if end && !ended {
				return cli.Hint(fmt.Errorf("%s/%s: is not silenced", names.Host, names.Job), "holdfast silence shows what is, by the names it was given")
			}
			return o.showSilences(command, vaults)
		},
	}
	command.Flags().TextVar(&length, "for", holdfast.Span{}, "how long, such as 6h or 2d, at most 90d")
	command.Flags().StringVar(&reason, "reason", "", "why, for whoever wonders")
	command.Flags().BoolVar(&end, "end", false, "end it now")
	return command
}

// named returns which jobs [HOST/]JOB means, * for all. A name that no job has is an
// error: a slip would silence nothing, or find nothing wrong for ever.
func named(c *config.Holdfast, text string) (holdfast.JobName, error) {
	host, job, both := strings.Cut(text, "/")
	if !both {
		host, job = "*", text
	}
	registry, err := c.Registry()
	if err != nil {
		return holdfast.JobName{}, cli.Usage(err)
	}
	for name := range c.Hosts {
		_, _, known := registry.Job(name, job)
		if (host == "*" || host == name) && (job == "*" || known) {
			return holdfast.JobName{Host: host, Job: job}, nil
		}
	}
	return holdfast.JobName{}, cli.Usage(cli.Hint(fmt.Errorf("no job %q is known", text), "holdfast monitor --json shows them; * alone stands for all hosts or all jobs"))
}

func whoami() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return u.Username
}

// showSilences prints what is silenced, in all vaults together.
func (o *options) showSilences(command *cobra.Command, vaults map[string]holdfast.Vault) error {
	all := []alert.Silence{}
	for _, name := range slices.Sorted(maps.Keys(vaults)) {
		some, err := alert.LoadSilences(command.Context(), vaults[name], time.Now())
		if err != nil {
			return fmt.Errorf("vault %q: %w", name, err)
		}
		for _, s := range some {
			if !slices.Contains(all, s) {
				all = append(all, s)
			}
		}
	}
	if o.asJSON {
		return cli.JSON(command.OutOrStdout(), map[string]any{"silences": all})
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(command.OutOrStdout(), "nothing is silenced")
		return err
	}
	table := tabwriter.NewWriter(command.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "JOB\tUNTIL\tBY\tREASON")
	for _, s := range all {
		fmt.Fprintf(table, "%s/%s\t%s\t%s\t%s\n", s.Host, s.Job, s.Until.Format("2006-01-02 15:04 UTC"), cmp.Or(holdfast.Printable(s.By), "-"), cmp.Or(holdfast.Printable(s.Reason), "-"))
	}
	return table.Flush()
}
