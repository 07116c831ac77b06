package main

import (
	"context"
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
	"github.com/holdfast-backup/holdfast/internal/secret"
)

// opening is what restore, verify and url need to open a backup.
type opening struct {
	identities    []string
	passphrase    string // file that holds it
	asks          bool   // on the terminal, for the passphrase of a backup
	skipSignature bool
	hostKeys      []string
}

func (p *opening) flags(command *cobra.Command) {
	command.Flags().StringArrayVarP(&p.identities, "identity", "i", nil, "age identity file, SSH private key or OpenPGP secret key that decrypts; may be repeated")
	command.Flags().StringVar(&p.passphrase, "passphrase-file", "", "file with the passphrase of the backup or of the identity, mode 0600, instead of a question on the terminal")
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

// chosen is the backup that a selector means, and what opens a copy of it.
type chosen struct {
	operator.Placed
	backups operator.Backups
	open    operator.Opener
	warn    func(text string)
}

// choosing finds the backup that the selector means. Nothing of it is opened yet.
func (p *opening) choosing(command *cobra.Command, o *options, selector string, progress *cli.Progress) (*chosen, error) {
	s, err := holdfast.ParseSelector(selector)
	if err != nil {
		return nil, cli.Usage(err)
	}
	warn := warner(command)
	ask, err := p.ask()
	if err != nil {
		return nil, cli.Usage(err)
	}
	identities, err := restore.LoadIdentities(p.identities, restore.IdentityOptions{Passphrase: ask, Warn: warn})
	if err != nil {
		return nil, cli.Usage(err)
	}
	backups, err := o.backups(command.Context())
	if err != nil {
		return nil, err
	}
	found, missing, err := operator.Find(command.Context(), backups, s, time.Now())
	if err != nil {
		return nil, o.sought(err)
	}
	warnMissing(warn, missing)
	if found.Places[0].Adopted() != nil {
		return nil, isAdopted(found.Ref)
	}
	choose, err := p.choose(o, found.Host, warn)
	if err != nil {
		return nil, err
	}
	how := restore.Options{
		Identities: identities, SkipSignature: p.skipSignature, Warn: warn,
		Progress: func(done, total int64) { progress.Set(found.Ref.String(), done, total) },
	}
	if p.asks || p.passphrase != "" {
		how.Passphrase = ask
	}
	open := func(ctx context.Context, f restore.Fetcher) (*restore.Backup, error) {
		return restore.Open(ctx, restore.WithKeys(f, choose), how)
	}
	return &chosen{found, backups, open, warn}, nil
}

// firstCopy has use take the first copy of the backup with which it can do what
// it has to; it reports whether what it began can be begun again.
func (c *chosen) firstCopy(ctx context.Context, use func(operator.Copy) (again bool, err error)) error {
	return operator.FirstCopy(ctx, c.backups, c.Placed, c.open, c.warn, use)
}

// warner returns what prints a warning.
func warner(command *cobra.Command) func(string) {
	return func(text string) {
		fmt.Fprintln(command.ErrOrStderr(), "holdfast: warning:", holdfast.PrintableLines(text))
	}
}

// warnMissing says of vaults that they could not be listed: what is newest may lie
// in one of them.
func warnMissing(warn func(string), missing []operator.Missing) {
	for _, m := range missing {
		warn(fmt.Sprintf("vault %q could not be listed: %v", m.Vault, m.Err))
	}
}

// ask returns what gives a passphrase when one is needed.
func (p *opening) ask() (func(what string) ([]byte, error), error) {
	if p.passphrase == "" {
		return askPassphrase, nil
	}
	passphrase, err := secret.Ref("file:" + p.passphrase).Resolve()
	if err != nil {
		return nil, fmt.Errorf("--passphrase-file: %w", err)
	}
	return func(string) ([]byte, error) { return []byte(passphrase.Reveal()), nil }, nil
}

// askPassphrase asks on the terminal, if there is one.
func askPassphrase(what string) ([]byte, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, cli.Hint(errors.New("there is no terminal to ask for the passphrase on"), "put it into a file of mode 0600 and pass that with --passphrase-file")
	}
	defer tty.Close()
	fmt.Fprintf(tty, "Passphrase of %s: ", what)
	defer fmt.Fprintln(tty)
	return term.ReadPassword(int(tty.Fd()))
}
