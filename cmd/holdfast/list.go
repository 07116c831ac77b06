package main

import (
	"fmt"
	"io"
	"slices"
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
	Adopted   bool      `json:"adopted,omitempty"` // something else has made it, and nothing proves it
	Vault     string    `json:"vault,omitempty"`   // the first of Vaults
	Vaults    []string  `json:"vaults,omitempty"`  // in which it is committed; if in none, in which it was begun
	copies    int
	total     int64 // bytes, of all copies
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
			listing, err := list(command.Context(), host, job)
			if err != nil {
				return o.sought(err)
			}
			warnMissing(warner(command), listing.Missing)
			shown := []listed{}
			for _, p := range listing.Backups() {
				if l := describe(p); l.Committed || all {
					shown = append(shown, l)
				}
			}
			if err := o.show(command.OutOrStdout(), shown, args); err != nil || len(listing.Missing) == 0 {
				return err
			}
			return cli.Silent(cli.ExitPartial)
		},
	}
	command.Flags().BoolVar(&all, "all", false, "also what was never committed")
	return command
}

// show prints the backups, of the job where one was named.
func (o *options) show(w io.Writer, shown []listed, of []string) error {
	switch {
	case o.asJSON:
		return cli.JSON(w, map[string]any{"backups": shown})
	case len(shown) == 0:
		text := noBackups(of)
		if o.broker != "" {
			text += " in the vaults that the broker shows"
		}
		_, err := fmt.Fprintln(w, text)
		return err
	}
	return printList(w, shown, time.Now())
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

// describe sums a backup up: as the first place has it, and where it lies.
func describe(p operator.Placed) listed {
	e := p.Best()
	l := listed{Ref: e.Ref, Time: e.Time(), Size: e.Size(), Files: []string{}, Committed: e.Committed, Adopted: e.Adopted() != nil, Vault: e.Vault}
	for _, o := range e.Data {
		l.Files = append(l.Files, o.Key[strings.LastIndex(o.Key, "/")+1:])
	}
	for _, place := range p.Places {
		l.copies, l.total = l.copies+1, l.total+place.Size()
		l.Held = l.Held || place.Held
		if place.Vault != "" && place.Committed == e.Committed {
			l.Vaults = append(l.Vaults, place.Vault)
		}
	}
	return l
}

func printList(w io.Writer, shown []listed, now time.Time) error {
	several := slices.ContainsFunc(shown, func(l listed) bool { return l.Vault != shown[0].Vault || len(l.Vaults) > 1 })
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	head := "JOB\tID\tAGE\tSIZE\tSTATE\tFILES"
	if several {
		head = strings.Replace(head, "STATE", "STATE\tVAULTS", 1)
	}
	fmt.Fprintln(table, head)
	var total int64
	copies := 0
	for _, l := range shown {
		cells := []string{l.Host + "/" + l.Job, string(l.ID), age(now.Sub(l.Time)), holdfast.Size(l.Size).String(), l.state()}
		if several {
			cells = append(cells, holdfast.Printable(strings.Join(l.Vaults, ",")))
		}
		fmt.Fprintln(table, strings.Join(append(cells, holdfast.Printable(strings.Join(l.Files, " "))), "\t"))
		total, copies = total+l.total, copies+l.copies
	}
	if err := table.Flush(); err != nil {
		return err
	}
	noun := "backups"
	if len(shown) == 1 {
		noun = "backup"
	}
	if several {
		noun += fmt.Sprintf(" in %d copies", copies)
	}
	_, err := fmt.Fprintf(w, "%d %s, %s\n", len(shown), noun, holdfast.Size(total))
	return err
}

func (l listed) state() string {
	switch {
	case !l.Committed:
		return "unfinished"
	case l.Held:
		return "held"
	case l.Adopted:
		return "adopted"
	}
	return "committed"
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
