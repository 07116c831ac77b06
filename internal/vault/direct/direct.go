// Package direct opens the vaults that a program reaches by itself, without
// anybody who signs: a directory of this machine, and one on a server reached by
// SSH. The pusher sends to them; package open opens them for everything else. It
// links no cloud's libraries.
package direct

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/vault/disk"
)

// Vault is one that receives parts from whoever has opened it.
type Vault interface {
	holdfast.Vault
	holdfast.Receiver
	io.Closer
}

// Options are what both kinds need.
type Options struct {
	// Secrets fetches the keys that a configuration refers to. Default
	// secret.Local.
	Secrets secret.Resolver
	// Certify returns a certificate for the SSH key whose public half is given, both
	// of them lines as in an authorized_keys file. It is called for each connection
	// where the configuration asks for certificates.
	Certify func(ctx context.Context, public string) (certificate string, err error)
	// Existing is set where a directory that is not there is an error, ErrNoDirectory
	// or sftp.ErrNoDirectory, and not to be made.
	Existing bool
	// Now is the clock that things under way are dated by. Default time.Now.
	Now func() time.Time
	// Log takes what went wrong and was mended. Default: nowhere.
	Log *slog.Logger
}

// ErrNoDirectory: the vault's directory is not on this machine.
var ErrNoDirectory = errors.New("there is no such directory")

// Disk opens the vault in a directory of this machine.
func Disk(path string, o Options) (Vault, error) {
	if _, err := os.Stat(path); o.Existing && errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open vault %q: %w", path, ErrNoDirectory)
	}
	v, err := disk.New(path, disk.Options{Now: o.Now, Log: o.Log})
	if err != nil {
		return nil, err // a typed nil must not become a vault
	}
	return v, nil
}
