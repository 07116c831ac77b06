package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/retention"
)

// simulation is what `holdfast simulate` was asked for.
type simulation struct {
	job   string
	days  int
	every holdfast.Span
	size  holdfast.Size
}

func simulateCommand(o *options) *cobra.Command {
	s := simulation{days: 400, every: holdfast.Span{N: 24, Unit: holdfast.Hour}, size: 100e6}
	command := &cobra.Command{
		Use:   "simulate (--job [HOST/]JOB | FILE)",
		Short: "Show what a policy keeps, without a vault",
		Long: `Show what a policy keeps, without a vault.

With --job: the policy of a job in holdfast.yaml, after so many days of regular
backups. With FILE (- for standard input): one worked case, a JSON document with
a policy, a moment and backups, whose answer says what stays, what goes, and why.`,
		Example: `  holdfast simulate --job crm --days 400 --every 24h
  holdfast simulate case.json --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			switch {
			case len(args) == 1 && s.job != "":
				return cli.Usage(errors.New("simulate: want a file or --job, not both"))
			case len(args) == 1:
				return simulateCase(command, o, args[0])
			case s.job == "":
				return cli.Usage(cli.Hint(errors.New("simulate: want a file or --job"), "see `holdfast simulate --help`"))
			}
			return s.run(command, o)
		},
	}
	flags := command.Flags()
	flags.StringVar(&s.job, "job", "", "job whose policy is shown")
	flags.IntVar(&s.days, "days", s.days, "how many days")
	flags.TextVar(&s.every, "every", s.every, "how often a backup is made")
	flags.TextVar(&s.size, "size", s.size, "stored size of one backup")
	return command
}

// simulateCase answers one worked case.
func simulateCase(command *cobra.Command, o *options, file string) error {
	data, err := readInput(command, file)
	if err != nil {
		return cli.Usage(err)
	}
	c, err := retention.ParseCase(data)
	if err != nil {
		return cli.Usage(err)
	}
	result, err := c.Plan()
	if err != nil {
		return cli.Usage(err)
	}
	if o.asJSON {
		return cli.JSON(command.OutOrStdout(), result)
	}
	table := tabwriter.NewWriter(command.OutOrStdout(), 0, 0, 2, ' ', 0)
	kept := map[string]bool{}
	for _, name := range result.Keep {
		kept[name] = true
	}
	for _, b := range c.Backups {
		verdict := "delete"
		if kept[b.Name] {
			verdict = "keep"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", verdict, b.Name, b.Time.UTC().Format(time.RFC3339), strings.Join(result.Reasons[b.Name], "; "))
	}
	return table.Flush()
}

func readInput(command *cobra.Command, file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(command.InOrStdin())
	}
	return os.ReadFile(file)
}

// run simulates the policy of a job of the configuration.
func (s simulation) run(command *cobra.Command, o *options) error {
	policy, err := o.policy(command.Context(), s.job)
	if err != nil {
		return err
	}
	start := time.Now().AddDate(0, 0, -s.days)
	result, err := retention.Simulate(policy.Keep, s.days, s.every.Duration(), start, int64(s.size))
	if err != nil {
		return cli.Usage(err)
	}
	if o.asJSON {
		return cli.JSON(command.OutOrStdout(), result)
	}
	if err := s.print(command.OutOrStdout(), result); err != nil {
		return err
	}
	return s.warnOfCap(command.OutOrStdout(), policy.Keep, start, len(result.Kept))
}

// warnOfCap says where max_total gives up what the rest of the policy keeps: it
// stands beside the other rules and overrides them.
func (s simulation) warnOfCap(w io.Writer, keep holdfast.Keep, start time.Time, kept int) error {
	limit := keep.MaxTotal
	keep.MaxTotal = 0
	free, err := retention.Simulate(keep, s.days, s.every.Duration(), start, int64(s.size))
	if err != nil || len(free.Kept) <= kept {
		return err
	}
	_, err = fmt.Fprintf(w, "max_total %s gives up %d that the rest of the policy keeps; without it %d would stay (%s)\n",
		limit, len(free.Kept)-kept, len(free.Kept), holdfast.Size(free.Total))
	return err
}

func (s simulation) print(w io.Writer, result retention.Simulation) error {
	fmt.Fprintf(w, "%s: one backup of %s every %s for %d days: %d made, %d kept (%s); at most %d at a time (%s)\n",
		s.job, s.size, s.every, s.days, result.Backups, len(result.Kept), holdfast.Size(result.Total), result.Peak, holdfast.Size(result.PeakTotal))
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, d := range result.Kept {
		fmt.Fprintf(table, "  %s\t%s\n", d.ID.Time().Format("2006-01-02 15:04"), strings.Join(d.Reasons, "; "))
	}
	return table.Flush()
}

// policy returns the policy of a job, by its name alone or with a host's.
func (o *options) policy(ctx context.Context, name string) (holdfast.Policy, error) {
	host, job, err := parseJob(name)
	if err != nil {
		return holdfast.Policy{}, err
	}
	c, err := o.load(ctx)
	if err != nil {
		return holdfast.Policy{}, err
	}
	if host != "" {
		registry, err := c.Registry()
		if err != nil {
			return holdfast.Policy{}, cli.Usage(err)
		}
		if _, policy, ok := registry.Job(host, job); ok {
			return policy, nil
		}
	} else if j, ok := c.Jobs[job]; ok {
		policy, err := j.Policy()
		return policy, cli.Usage(err)
	}
	return holdfast.Policy{}, cli.Usage(fmt.Errorf("job %q: not in the configuration, whose jobs are %s", name, cmp.Or(strings.Join(slices.Sorted(maps.Keys(c.Jobs)), ", "), "none")))
}
