// Package direct opens the vaults that a program reaches by itself, without
// anybody who signs: a directory of this machine, and one on a server reached by
// SSH. The pusher sends to them; package open opens them for everything else. It
// links no cloud's libraries.
package direct

import (
	"context"
	"io"
	"log/slog"
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
	// Existing is set where a directory on a server that is not there is an error, and
	// not to be made.
	Existing bool
	// Now is the clock that things under way are dated by. Default time.Now.
	Now func() time.Time
	// Log takes what went wrong and was mended. Default: nowhere.
	Log *slog.Logger
}

// Disk opens the vault in a directory of this machine, and makes it if it is not
// there.
func Disk(path string, o Options) (Vault, error) {
	v, err := disk.New(path, disk.Options{Now: o.Now, Log: o.Log})
	if err != nil {
		return nil, err // a typed nil must not become a vault
	}
	return v, nil
}
