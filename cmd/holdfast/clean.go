package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/retention"
	"github.com/holdfast-backup/holdfast/internal/rounds"
)

func cleanCommand(o *options) *cobra.Command {
	var run retention.Options
	command := &cobra.Command{
		Use:   "clean [[HOST/]JOB]",
		Short: "Delete the backups that the policies give up",
		Long: `Delete the backups that the policies give up, and sweep what interrupted uploads
left behind. holdfast serve does the same on its schedule.

A job whose newest backup is stale or suspiciously small, or that would lose more
than half of its good backups, is left as it is, and the exit code is 1; look at
it with --dry-run, and delete with --force if it is meant.`,
		Example: `  holdfast clean --dry-run
  holdfast clean web1/crm --keep 5`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			var err error
			if run.Only, err = onlyJob(args); err != nil {
				return err
			}
			if command.Flags().Changed("keep") && run.KeepLast < 1 {
				return cli.Usage(errors.New("--keep: want a number above zero"))
			}
			if err := o.onlyDirect("clean"); err != nil {
				return err
			}
			c, vaults, err := o.direct(command.Context())
			if err != nil {
				return err
			}
			r, err := rules(c)
			if err != nil {
				return err
			}
			all, err := r.Retention(command.Context(), vaults, run)
			if o.asJSON {
				err = errors.Join(err, cli.JSON(command.OutOrStdout(), map[string]any{"vaults": all}))
			} else {
				printCleaned(command.OutOrStdout(), all, args...)
			}
			if err == nil && braked(all) {
				return cli.Silent(cli.ExitFailed)
			}
			return err
		},
	}
	flags := command.Flags()
	flags.BoolVarP(&run.DryRun, "dry-run", "n", false, "show what would go, and why the rest stays; delete nothing")
	flags.IntVar(&run.KeepLast, "keep", 0, "keep the newest N good backups instead of what the policies say")
	flags.BoolVar(&run.Force, "force", false, "delete also where a brake refuses")
	return command
}

func braked(all []rounds.Cleaned) bool {
	for _, c := range all {
		for _, j := range c.Jobs {
			if j.Braked {
				return true
			}
		}
	}
	return false
}

// printCleaned says what was done in each vault, to all jobs or the one named.
func printCleaned(w io.Writer, all []rounds.Cleaned, only ...string) {
	for _, c := range all {
		deleted, swept := "deleted", "swept"
		if c.DryRun {
			deleted, swept = "would delete", "would sweep"
		}
		for _, j := range c.Jobs {
			verb, doomed := deleted, len(j.Outcome.Deleted)
			switch {
			case j.Braked:
				verb, doomed = "refused to delete", len(j.Delete)-j.Watched
			case c.DryRun:
				doomed = len(j.Delete) - j.Watched
			}
			fmt.Fprintf(w, "%s/%s: %d kept (%s), %s %d%s\n", j.Host, j.Job, j.Kept, holdfast.Size(j.KeptBytes), verb, doomed, watched(j))
			if c.DryRun {
				printDoomed(w, j)
			}
		}
		if n := len(c.Swept.Orphans) + len(c.Swept.Uploads); n > 0 {
			fmt.Fprintf(w, "%s %d leftovers of interrupted uploads (%s)\n", swept, n, holdfast.Size(c.Swept.Bytes))
		}
		for _, f := range c.Findings {
			printFinding(w, f)
		}
		if len(c.Jobs) == 0 {
			fmt.Fprintf(w, "vault %s: %s\n", c.Vault, noBackups(only))
		}
	}
}

// watched says of adopted backups that they stay though the policy gives them up.
func watched(j retention.JobResult) string {
	if j.Watched == 0 {
		return ""
	}
	return fmt.Sprintf("; of the kept ones the policy gives up %d, adopted without delete: true", j.Watched)
}

// printDoomed says what the policy gives up, and why.
func printDoomed(w io.Writer, j retention.JobResult) {
	for _, d := range j.Delete {
		fmt.Fprintf(w, "  %s  %s  %s", d.ID, holdfast.Size(d.Size), strings.Join(d.Reasons, "; "))
		if d.Watched() {
			fmt.Fprint(w, " (adopted, stays)")
		}
		fmt.Fprintln(w)
	}
}

func printFinding(w io.Writer, f holdfast.Finding) {
	fmt.Fprintf(w, "%s: %s: %s\n", f.Severity, f.Subject(), f.Summary)
	if f.Hint != "" {
		fmt.Fprintf(w, "  hint: %s\n", f.Hint)
	}
}
