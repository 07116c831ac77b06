package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/doctor"
	"github.com/holdfast-backup/holdfast/internal/stream"
	"github.com/holdfast-backup/holdfast/internal/vault/direct"
)

// attemptTimeout is how long one attempt of the doctor may take.
const attemptTimeout = 30 * time.Second

func doctorCommand(o *options) *cobra.Command {
	var asJSON bool
	command := &cobra.Command{
		Use:   "doctor",
		Short: "Prove that backups will work, and that this host cannot harm them",
		Long: `Prove that backups will work: configuration, key, clock, tools, logins, privileges,
space, recipients. And prove that this host cannot harm them: with its own key it
tries to list, read, overwrite, hide and delete backups and to write for another
host, and fails if any of it works.

Where this host reaches a destination by itself (sftp, disk) it tries the same there
on a file of its own, and warns of what the server allows.

It begins a backup of each job and aborts it; nothing is left behind, but for that
file where it cannot be deleted.`,
		Example: "  pusher doctor",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			d, err := newDoctor(o)
			if err != nil {
				return err
			}
			report := doctor.Run(command.Context(), d)
			out := command.OutOrStdout()
			if asJSON {
				err = cli.JSON(out, struct {
					OK bool `json:"ok"`
					doctor.Report
				}{report.OK(), report})
			} else {
				printReport(out, report)
			}
			if err == nil && !report.OK() {
				return cli.Silent(cli.ExitFailed)
			}
			return err
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return command
}

func newDoctor(o *options) (doctor.Options, error) {
	path, err := o.find()
	if err != nil {
		return doctor.Options{}, err
	}
	c, err := o.load()
	if err != nil {
		return doctor.Options{}, err
	}
	key, err := loadKey(c)
	if err != nil {
		return doctor.Options{}, err
	}
	to, err := newDestinations(c, key, slog.New(slog.DiscardHandler))
	if err != nil {
		return doctor.Options{}, err
	}
	state, err := stateDir(c)
	if err != nil {
		return doctor.Options{}, err
	}
	plain := &http.Client{Timeout: attemptTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return doctor.Options{
		Config: c, ConfigPath: path, StateDir: state, Key: key, Brokers: to.examined(),
		Open: func(ctx context.Context, name string) (direct.Vault, error) {
			return to.open(ctx, c.Destinations[name], firstJob(c, name))
		},
		Recipients: func() (stream.Recipients, error) {
			r, _, err := recipients(c, time.Now())
			return r, err
		},
		HTTP: plain, Version: version, Now: time.Now,
	}, nil
}

// firstJob returns a job that goes to the destination.
func firstJob(c *config.Pusher, name string) string {
	for _, job := range jobNames(c) {
		if slices.Contains(c.To(c.Jobs[job]), name) {
			return job
		}
	}
	return ""
}

func printReport(w io.Writer, r doctor.Report) {
	section := func(title, otherwise string, all []holdfast.Examination) {
		fmt.Fprintln(w, title)
		for _, e := range all {
			mark := "ok  "
			if !e.OK {
				mark = otherwise
			}
			fmt.Fprintf(w, "  %s  %s: %s\n", mark, e.Name, e.Detail)
			if !e.OK && e.Hint != "" {
				fmt.Fprintf(w, "        hint: %s\n", e.Hint)
			}
		}
	}
	section("this host", "FAIL", r.Host)
	if len(r.Broker) > 0 {
		section("the broker", "FAIL", r.Broker)
	}
	for _, d := range r.Direct {
		section(fmt.Sprintf("destination %s (%s)", d.Name, d.Kind), "FAIL", d.Examined)
	}
	for _, j := range r.Jobs {
		section("job "+j.Job, "FAIL", j.Examined)
	}
	if len(r.Broker) > 0 {
		section("what this host must not be able to do", "FAIL", r.Attacks)
	}
	if len(r.Broker) > 0 && len(r.Attacks) == 0 {
		fmt.Fprintln(w, "  not tried: the broker does not answer")
	}
	for _, d := range r.Direct {
		if len(d.Exposed) > 0 {
			section(fmt.Sprintf("what whoever takes over this host can do at %s", d.Name), "warn", d.Exposed)
		}
	}
	exposed := 0
	for _, d := range r.Direct {
		for _, e := range d.Exposed {
			if !e.OK {
				exposed++
			}
		}
	}
	if r.OK() && exposed > 0 {
		fmt.Fprintf(w, "all well, with %d warnings: whoever takes over this host can do that to the backups there\n", exposed)
	} else if r.OK() {
		fmt.Fprintln(w, "all well")
	} else {
		fmt.Fprintln(w, "NOT well: see FAIL above")
	}
}
