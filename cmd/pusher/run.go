package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/push"
)

// reporting is how outcomes are told.
type reporting struct {
	asJSON, quiet bool
}

func (r *reporting) flags(command *cobra.Command) {
	command.Flags().BoolVar(&r.asJSON, "json", false, "one line of JSON per job on standard output, also on a terminal")
	command.Flags().BoolVarP(&r.quiet, "quiet", "q", false, "say nothing unless something failed")
}

func runCommand(o *options) *cobra.Command {
	var r reporting
	var only string
	var to []string
	var dryRun bool
	command := &cobra.Command{
		Use:   "run [JOB…]",
		Short: "Back up the jobs, or all",
		Long: `Back up the jobs named, or all of pusher.yaml, one after the other. On a terminal
it shows progress; elsewhere it prints one line of JSON per job.

--only db or --only files backs up a part. A part of a job that has both is a job of
its own, crm-db or crm-files: among the whole backups of crm it would pass for one.
Name it in holdfast.yaml, with what to expect of it.

Each backup goes to all destinations of its job at the same time; --to limits a run
to some of them, and then pings no heartbeat unless these are all the job has. One
that fails does not stop the others: the backup exists where it arrived, and the
exit code is 3. A broker that does not answer is waited for a quarter of an hour if
the job goes to brokers alone; for a minute, and then left out of the run, if it also
goes to servers or directories that need none.

--dry-run dumps, compresses and encrypts as a run does, to nowhere: it proves the
dumps and shows their sizes, contacts no destination and runs no hooks.

Exit codes: 0 all well, 1 failed, 2 configuration or usage, 3 part of it failed.`,
		Example: `  pusher run
  pusher run crm --only db
  pusher run crm --to nas
  pusher run --quiet     # for cron`,
		RunE: func(command *cobra.Command, args []string) error {
			if wanted(only) == nil && only != "" {
				return cli.Usage(fmt.Errorf("--only %q: want db or files", only))
			}
			c, err := o.load()
			if err != nil {
				return err
			}
			if err := checkTo(c, to); err != nil {
				return err
			}
			jobs, err := chosen(c, args, only, to)
			if err != nil {
				return err
			}
			return r.run(command, c, jobs, dryRun)
		},
		ValidArgsFunction: o.completeJob,
	}
	r.flags(command)
	command.Flags().StringVar(&only, "only", "", "only these sources of the jobs: db or files")
	_ = command.RegisterFlagCompletionFunc("only", cobra.FixedCompletions([]string{"db", "files"}, cobra.ShellCompDirectiveNoFileComp))
	command.Flags().StringSliceVar(&to, "to", nil, "only to this destination; several with commas, or the flag again")
	_ = command.RegisterFlagCompletionFunc("to", o.completeDestination)
	command.Flags().BoolVarP(&dryRun, "dry-run", "n", false, "dump to nowhere, send nothing")
	return command
}

// completeJob offers the names of the jobs to the shell.
func (o *options) completeJob(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	c, err := o.load()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return jobNames(c), cobra.ShellCompDirectiveNoFileComp
}

// completeDestination offers the names of the destinations to the shell.
func (o *options) completeDestination(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	c, err := o.load()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return c.DestinationNames(), cobra.ShellCompDirectiveNoFileComp
}

// chosen opens the jobs named, or all; with only, those that have such sources,
// and with to, those that go to such destinations.
// A job whose secrets are missing does not stop the others: its run fails.
func chosen(c *config.Pusher, names []string, only string, to []string) ([]push.Job, error) {
	all := len(names) == 0
	if all {
		names = jobNames(c)
	}
	var jobs []push.Job
	for _, name := range names {
		job, err := openJob(c, name, only)
		if err != nil {
			return nil, err
		}
		if none := len(job.Sources) == 0 && job.Broken == nil; none && all {
			continue
		} else if none {
			return nil, cli.Usage(fmt.Errorf("job %q: has no sources of --only %s", name, only))
		}
		if len(to) > 0 && !limit(&job, to) && all {
			continue
		} else if len(job.To) == 0 {
			return nil, cli.Usage(fmt.Errorf("job %q: does not go to %s", name, strings.Join(to, ", ")))
		}
		jobs = append(jobs, job)
	}
	if len(jobs) == 0 {
		return nil, cli.Usage(errors.New("run: pusher.yaml has no such job"))
	}
	return jobs, nil
}

// run runs the jobs and returns the error that says how it went in all.
func (r *reporting) run(command *cobra.Command, c *config.Pusher, jobs []push.Job, dryRun bool) error {
	level := slog.LevelInfo
	if r.quiet {
		level = slog.LevelWarn
	}
	log := cli.Logger(command.ErrOrStderr(), level)
	d, to, err := deps(c, log)
	if err != nil {
		return err
	}
	watched := !r.quiet && cli.IsTerminal(command.ErrOrStderr())
	progress := cli.NewProgress(command.ErrOrStderr(), r.quiet, time.Now)
	var outcomes []push.Outcome
	for _, job := range jobs {
		if d.Destinations, err = to.of(job.Name); err != nil {
			return err
		}
		if d.Log = log; watched {
			d.Log = slog.New(newTrouble(log.Handler(), progress.Say))
		}
		d.Progress = func(p push.Progress) {
			progress.Set(fmt.Sprintf("%s/%s: %s %s", c.Host, job.Name, p.Stage, p.Stream), max(p.Plain, p.Stored), 0)
		}
		var o push.Outcome
		if dryRun {
			o = push.DryRun(command.Context(), job, d)
		} else {
			o = push.Run(command.Context(), job, d)
		}
		progress.Done()
		if err := r.tell(command.OutOrStdout(), o); err != nil {
			return err
		}
		outcomes = append(outcomes, o)
		if command.Context().Err() != nil {
			break
		}
	}
	return verdict(outcomes, len(jobs), r.inWords(command.OutOrStdout()))
}

// inWords reports whether outcomes are told in sentences.
func (r *reporting) inWords(w io.Writer) bool { return !r.asJSON && cli.IsTerminal(w) }

// tell prints one outcome: a sentence on a terminal, a line of JSON elsewhere.
func (r *reporting) tell(w io.Writer, o push.Outcome) error {
	if r.quiet && o.Status == push.OK {
		return nil
	}
	if !r.inWords(w) {
		return json.NewEncoder(w).Encode(o)
	}
	name := o.Host + "/" + o.Job
	if o.ID != "" {
		name += "@" + string(o.ID)
	}
	took := time.Duration(o.Seconds * float64(time.Second)).Round(10 * time.Millisecond)
	switch {
	case o.Status == push.Failed:
		fmt.Fprintf(w, "%s: FAILED in %s: %s\n", name, o.Stage, o.Error)
		if o.Tail != "" {
			fmt.Fprintf(w, "  %s\n", o.Tail)
		}
	case o.DryRun:
		fmt.Fprintf(w, "%s: would store %s of %s, in %s; nothing was sent\n", name, holdfast.Size(o.StoredSize), holdfast.Size(o.PlainSize), took)
	default:
		fmt.Fprintf(w, "%s: stored %s of %s, in %s\n", name, holdfast.Size(o.StoredSize), holdfast.Size(o.PlainSize), took)
	}
	tellDeliveries(w, o)
	if o.Status == push.Partial {
		fmt.Fprintf(w, "  but: %s\n", o.Error)
	}
	for _, warning := range warnings(o) {
		fmt.Fprintf(w, "  warning: %s\n", warning)
	}
	return nil
}

// tellDeliveries says which destinations have the backup, where there are several.
func tellDeliveries(w io.Writer, o push.Outcome) {
	if o.Status == push.Failed || len(o.Deliveries) < 2 {
		return // what has failed at each stands in the error
	}
	for _, d := range o.Deliveries {
		if d.Status == push.OK {
			fmt.Fprintf(w, "  %s: has it\n", d.Full())
		} else {
			fmt.Fprintf(w, "  %s: FAILED in %s\n", d.Full(), d.Stage)
		}
	}
}

// warnings returns those of the run and of its sources.
func warnings(o push.Outcome) []string {
	all := slices.Clone(o.Warnings)
	for _, s := range o.Streams {
		for _, warning := range s.Source.Warnings {
			all = append(all, s.Name+": "+warning)
		}
		if s.Source.WarningsCut > 0 {
			all = append(all, fmt.Sprintf("%s: and %d more", s.Name, s.Source.WarningsCut))
		}
	}
	return all
}
