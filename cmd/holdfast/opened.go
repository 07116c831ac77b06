package main

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"strings"
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
	hostKeys      []string
}

func (p *opening) flags(command *cobra.Command) {
	command.Flags().StringArrayVarP(&p.identities, "identity", "i", nil, "age identity file or SSH private key that decrypts; may be repeated")
	p.trustFlags(command)
}

// trustFlags are the flags that say whose signature counts.
func (p *opening) trustFlags(command *cobra.Command) {
	command.Flags().BoolVar(&p.skipSignature, "skip-signature", false, "take a manifest whose host nobody has the key of any more")
	command.Flags().StringArrayVar(&p.hostKeys, "host-key", nil, "public key of the host, ed25519:…, which then alone counts, whatever configuration and broker say; may be repeated")
}

// choose returns what decides which keys of the host count: --host-key, else
// with --broker those known from before, else those of the configuration.
func (p *opening) choose(o *options, host string, warn func(string)) (func([]ed25519.PublicKey) ([]ed25519.PublicKey, error), error) {
	var keys []ed25519.PublicKey
	for _, text := range p.hostKeys {
		key, err := holdfast.ParsePublicKey(text)
		if err != nil {
			return nil, cli.Usage(fmt.Errorf("--host-key: %w", err))
		}
		keys = append(keys, key)
	}
	return func(given []ed25519.PublicKey) ([]ed25519.PublicKey, error) {
		switch {
		case len(keys) > 0:
			return keys, nil
		case o.broker != "":
			known := knownHosts{path: o.key + ".known_hosts", broker: strings.TrimRight(o.broker, "/"), warn: warn}
			return known.choose(host, given)
		}
		return given, nil
	}, nil
}

// open finds the backup that the selector means and proves its manifest.
func (p *opening) open(command *cobra.Command, o *options, selector string, progress *cli.Progress) (*restore.Backup, operator.Entry, operator.Backups, error) {
	none := operator.Entry{}
	s, err := holdfast.ParseSelector(selector)
	if err != nil {
		return nil, none, nil, cli.Usage(err)
	}
	warn := func(text string) {
		fmt.Fprintln(command.ErrOrStderr(), "holdfast: warning:", holdfast.PrintableLines(text))
	}
	identities, err := restore.LoadIdentities(p.identities, restore.IdentityOptions{Passphrase: askPassphrase, Warn: warn})
	if err != nil {
		return nil, none, nil, cli.Usage(err)
	}
	backups, err := o.backups(command.Context())
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
	choose, err := p.choose(o, e.Host, warn)
	if err != nil {
		return nil, none, nil, err
	}
	backup, err := restore.Open(command.Context(), restore.WithKeys(fetcher, choose), restore.Options{
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
