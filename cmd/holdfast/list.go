package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/operator"
)

// listed is a backup as list --json shows it.
type listed struct {
	holdfast.Ref
	Time      time.Time `json:"time"`
	Size      int64     `json:"size"` // stored, bytes
	Files     []string  `json:"files"`
	Committed bool      `json:"committed"`
	Held      bool      `json:"held"`
	Vault     string    `json:"vault,omitempty"`
}

func listCommand(o *options) *cobra.Command {
	var all bool
	command := &cobra.Command{
		Use:   "list [[HOST/]JOB]",
		Short: "List backups, the newest first",
		Example: `  holdfast list
  holdfast list web1/crm --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			host, job := "", ""
			if len(args) == 1 {
				var err error
				if host, job, err = parseJob(args[0]); err != nil {
					return err
				}
			}
			backups, err := o.backups(command.Context())
			if err != nil {
				return err
			}
			list := backups.List
			if direct, ok := backups.(*operator.Direct); ok && all {
				list = direct.ListAll
			}
			entries, err := list(command.Context(), host, job)
			if err != nil {
				return err
			}
			shown := []listed{}
			for _, e := range entries {
				if e.Committed || all {
					shown = append(shown, describe(e))
				}
			}
			if o.asJSON {
				return cli.JSON(command.OutOrStdout(), map[string]any{"backups": shown})
			}
			if len(shown) == 0 {
				_, err := fmt.Fprintln(command.OutOrStdout(), noBackups(args))
				return err
			}
			return printList(command.OutOrStdout(), shown, time.Now())
		},
	}
	command.Flags().BoolVar(&all, "all", false, "also what was never committed")
	return command
}

// parseJob reads JOB or HOST/JOB.
func parseJob(s string) (host, job string, err error) {
	job = s
	if before, after, ok := strings.Cut(s, "/"); ok {
		host, job = before, after
		if err := holdfast.CheckName("host", host); err != nil {
			return "", "", cli.Usage(err)
		}
	}
	return host, job, cli.Usage(holdfast.CheckName("job", job))
}

// onlyJob returns whether a job is the one that the argument names; nil, which
// means every job, where there is none.
func onlyJob(args []string) (func(host, job string) bool, error) {
	if len(args) == 0 {
		return nil, nil
	}
	host, job, err := parseJob(args[0])
	return func(h, j string) bool { return j == job && (host == "" || h == host) }, err
}

// noBackups says that there are none, of the job where one was named.
func noBackups(of []string) string {
	if len(of) == 0 {
		return "no backups"
	}
	return "no backups of " + of[0]
}

func describe(e operator.Entry) listed {
	l := listed{Ref: e.Ref, Time: e.Time(), Size: e.Size(), Files: []string{}, Committed: e.Committed, Held: e.Held, Vault: e.Vault}
	for _, o := range e.Data {
		l.Files = append(l.Files, o.Key[strings.LastIndex(o.Key, "/")+1:])
	}
	return l
}

func printList(w io.Writer, shown []listed, now time.Time) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "JOB\tID\tAGE\tSIZE\tSTATE\tFILES")
	var total int64
	for _, l := range shown {
		state := "committed"
		switch {
		case !l.Committed:
			state = "unfinished"
		case l.Held:
			state = "held"
		}
		fmt.Fprintf(table, "%s/%s\t%s\t%s\t%s\t%s\t%s\n", l.Host, l.Job, l.ID, age(now.Sub(l.Time)), holdfast.Size(l.Size), state, holdfast.Printable(strings.Join(l.Files, " ")))
		total += l.Size
	}
	if err := table.Flush(); err != nil {
		return err
	}
	noun := "backups"
	if len(shown) == 1 {
		noun = "backup"
	}
	_, err := fmt.Fprintf(w, "%d %s, %s\n", len(shown), noun, holdfast.Size(total))
	return err
}

// age returns d as people say it.
func age(d time.Duration) string {
	switch {
	case d < 0:
		return "in the future"
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}
