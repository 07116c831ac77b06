package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/stream"
)

// encryption is what `pusher init` was told of who can decrypt: one of these.
type encryption struct {
	recipient  string
	identity   string // file for a new age identity
	openpgp    string // file of a public key
	passphrase string // file of a passphrase, made if it is not there
}

// secretFile is one that init makes for who can decrypt; without text there is
// nothing to make.
type secretFile struct {
	path string
	text []byte
}

// prepare checks what was given, enters it into the starter, whose file will lie in
// dir, and returns what there is to write. Nothing is made yet.
func (e encryption) prepare(to *config.Starter, dir string) (secretFile, error) {
	switch {
	case e.openpgp != "":
		return secretFile{}, e.useOpenPGP(to, dir)
	case e.passphrase != "":
		return e.usePassphrase(to, dir)
	case e.identity != "":
		identity, err := age.GenerateX25519Identity()
		if err != nil {
			return secretFile{}, fmt.Errorf("make age identity: %w", err)
		}
		to.Recipient = identity.Recipient().String()
		return secretFile{e.identity, fmt.Appendf(nil, "# decrypts Holdfast backups; keep it off the backed-up hosts\n# public key: %s\n%s\n", to.Recipient, identity)}, nil
	}
	to.Recipient = e.recipient
	if _, err := stream.ParseRecipients([]string{e.recipient}); err != nil {
		return secretFile{}, cli.Usage(cli.Hint(fmt.Errorf("--recipient: %w", err), "`age-keygen -y` prints the recipient of an identity; --identity makes a new one"))
	}
	return secretFile{}, nil
}

func (e encryption) useOpenPGP(to *config.Starter, dir string) error {
	keys, err := stream.ReadPublicKeys([]string{e.openpgp}, time.Now())
	if err == nil {
		_, err = stream.OpenPGP(keys...)
	}
	if err != nil {
		return cli.Usage(cli.Hint(fmt.Errorf("--openpgp: %w", err), "`gpg --armor --export KEY` prints a public key"))
	}
	to.OpenPGP, err = seenFrom(dir, e.openpgp)
	return err
}

func (e encryption) usePassphrase(to *config.Starter, dir string) (secretFile, error) {
	path, err := seenFrom(dir, e.passphrase)
	if err != nil {
		return secretFile{}, err
	}
	to.Passphrase = secret.Ref("file:" + path)
	if _, err := os.Lstat(e.passphrase); errors.Is(err, fs.ErrNotExist) {
		return secretFile{e.passphrase, []byte(rand.Text() + "\n")}, nil
	}
	there, err := secret.Ref("file:" + e.passphrase).Resolve()
	if err == nil {
		_, err = stream.Passphrase(there)
	}
	if err != nil {
		return secretFile{}, cli.Usage(cli.Hint(fmt.Errorf("--passphrase-file: %w", err), "name a file that is not there, and a good passphrase is made in it"))
	}
	return secretFile{}, nil
}

// seenFrom returns the path as a file in dir names it: relative if it lies there
// too, else absolute.
func seenFrom(dir, path string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", err
	}
	if rest, below := strings.CutPrefix(path, dir+string(filepath.Separator)); below {
		return rest, nil
	}
	return path, nil
}

// report says what else must be done for the backups to be readable one day.
func (e encryption) report(made secretFile) string {
	switch {
	case e.identity != "":
		return fmt.Sprintf(`#
# made the age identity %s
# It alone decrypts the backups, and this host does not need it: move it to a
# safe place or two, away from this host and from the server.
`, e.identity)
	case made.text != nil:
		return fmt.Sprintf(`#
# made a passphrase in %s
# It alone decrypts the backups, and this host needs it for every one: keep a
# copy in a safe place or two, away from this host and from the server.
`, e.passphrase)
	case e.passphrase != "":
		return fmt.Sprintf(`#
# The passphrase in %s alone decrypts the backups: keep a copy away from this
# host and from the server.
`, e.passphrase)
	case e.openpgp != "":
		return fmt.Sprintf(`#
# Who has the private half of the OpenPGP key in %s can read the backups, and
# nobody else: keep it away from this host and from the server.
`, e.openpgp)
	}
	return ""
}
