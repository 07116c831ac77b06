package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/operator"
	"github.com/holdfast-backup/holdfast/internal/restore"
)

// opening is what restore, verify and url need to open a backup.
type opening struct {
	identities    []string
	skipSignature bool
}

func (p *opening) flags(command *cobra.Command) {
	command.Flags().StringArrayVarP(&p.identities, "identity", "i", nil, "age identity file or SSH private key that decrypts; may be repeated")
	command.Flags().BoolVar(&p.skipSignature, "skip-signature", false, "take a manifest whose host nobody has the key of any more")
}

// open finds the backup that the selector means and proves its manifest.
func (p *opening) open(command *cobra.Command, o *options, selector string, progress *cli.Progress) (*restore.Backup, operator.Entry, operator.Backups, error) {
	none := operator.Entry{}
	s, err := holdfast.ParseSelector(selector)
	if err != nil {
		return nil, none, nil, cli.Usage(err)
	}
	warn := func(text string) { fmt.Fprintln(command.ErrOrStderr(), "holdfast: warning:", text) }
	identities, err := restore.LoadIdentities(p.identities, restore.IdentityOptions{Passphrase: askPassphrase, Warn: warn})
	if err != nil {
		return nil, none, nil, cli.Usage(err)
	}
	backups, err := o.backups()
	if err != nil {
		return nil, none, nil, err
	}
	e, err := operator.Find(command.Context(), backups, s, time.Now())
	if err != nil {
		return nil, none, nil, err
	}
	fetcher, err := backups.Fetcher(e)
	if err != nil {
		return nil, none, nil, err
	}
	backup, err := restore.Open(command.Context(), fetcher, restore.Options{
		Identities: identities, SkipSignature: p.skipSignature, Warn: warn,
		Progress: func(done, total int64) { progress.Set(e.Ref.String(), done, total) },
	})
	return backup, e, backups, err
}

// askPassphrase asks on the terminal, if there is one.
func askPassphrase(what string) ([]byte, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, errors.New("there is no terminal to ask for the passphrase on")
	}
	defer tty.Close()
	fmt.Fprintf(tty, "Passphrase of %s: ", what)
	defer fmt.Fprintln(tty)
	return term.ReadPassword(int(tty.Fd()))
}
