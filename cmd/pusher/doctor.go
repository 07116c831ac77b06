package main

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/client"
	"github.com/holdfast-backup/holdfast/internal/doctor"
	"github.com/holdfast-backup/holdfast/internal/token"
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

It begins a backup of each job and aborts it; nothing is left behind.`,
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
	signer, err := token.NewSigner(key, c.Host, c.Broker)
	if err != nil {
		return doctor.Options{}, cli.Usage(err)
	}
	broker, err := client.New(client.Options{BaseURL: c.Broker, Signer: signer, UserAgent: "pusher/" + version})
	if err != nil {
		return doctor.Options{}, cli.Usage(err)
	}
	state, err := stateDir(c)
	if err != nil {
		return doctor.Options{}, err
	}
	plain := &http.Client{Timeout: attemptTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return doctor.Options{Config: c, ConfigPath: path, StateDir: state, Key: key, Client: broker, HTTP: plain, Version: version, Now: time.Now}, nil
}

func printReport(w io.Writer, r doctor.Report) {
	section := func(title string, all []holdfast.Examination) {
		fmt.Fprintln(w, title)
		for _, e := range all {
			mark := "ok  "
			if !e.OK {
				mark = "FAIL"
			}
			fmt.Fprintf(w, "  %s  %s: %s\n", mark, e.Name, e.Detail)
			if !e.OK && e.Hint != "" {
				fmt.Fprintf(w, "        hint: %s\n", e.Hint)
			}
		}
	}
	section("this host", r.Host)
	section("the broker", r.Broker)
	for _, j := range r.Jobs {
		section("job "+j.Job, j.Examined)
	}
	section("what this host must not be able to do", r.Attacks)
	if len(r.Attacks) == 0 {
		fmt.Fprintln(w, "  not tried: the broker does not answer")
	}
	if r.OK() {
		fmt.Fprintln(w, "all well")
	} else {
		fmt.Fprintln(w, "NOT well: see FAIL above")
	}
}
