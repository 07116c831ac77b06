// Package open makes vaults of their configuration. It is the one place that
// imports every backend; a binary that must not link one does not import this.
package open

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/vault/disk"
)

// sealer is what token.Sealer does: it signs what a vault's own URLs carry.
type sealer interface {
	Seal(kind string, claims any, expires time.Time) (string, error)
	Open(kind, sealed string, claims any, now time.Time) error
}

// Options are what the vaults need that signs no requests by itself. Without
// them everything but signing works.
type Options struct {
	// BaseURL is where the vault's handler is reached from outside.
	BaseURL string
	// Sealer signs the vault's URLs; nil for a vault that needs to sign none.
	Sealer sealer
	// Secrets fetches the keys that a configuration refers to. Default
	// secret.Local.
	Secrets secret.Resolver
	// Now is the clock that signatures expire by. Default time.Now.
	Now func() time.Time
	// Create makes a vault where there is none yet. Without it an empty or
	// absent directory is an error: more likely its disk is not mounted.
	Create bool
	// Log takes what goes wrong in a handler through no fault of the client's, and
	// that a vault is begun.
	// Default: nowhere.
	Log *slog.Logger
}

// Open returns the vault of the configuration. It may be an io.Closer, and one
// that serves its own URLs has a method Handler() http.Handler.
func Open(ctx context.Context, c config.Vault, o Options) (holdfast.Vault, error) {
	if len(c.Adopt) > 0 {
		return openAdopted(ctx, c, o)
	}
	switch {
	case c.Disk != nil:
		if err := checkDir(c.Disk.Path, o.Create); err != nil {
			return nil, err
		}
		if err := checkNotLeft(c.Disk.Path); err != nil {
			return nil, err
		}
		if o.Create && o.Log != nil && checkDir(c.Disk.Path, false) != nil {
			o.Log.Warn("a new vault begins; if there was one, its disk is not mounted", "path", c.Disk.Path)
		}
		v, err := disk.New(c.Disk.Path, disk.Options{BaseURL: o.BaseURL, Sealer: o.Sealer, Now: o.Now, Log: o.Log})
		if err != nil {
			return nil, err // a typed nil must not become a vault
		}
		return v, nil
	case c.SFTP != nil:
		v, err := openSFTP(ctx, c.SFTP, o)
		if err != nil {
			return nil, err
		}
		return v, nil
	case c.S3 != nil:
		v, err := openS3(ctx, c.S3, o)
		if err != nil {
			return nil, err
		}
		return v, nil
	case c.B2 != nil:
		v, err := openB2(ctx, c.B2, o)
		if err != nil {
			return nil, err
		}
		return v, nil
	}
	return nil, fmt.Errorf("open vault: no kind given, want disk, s3, b2 or sftp")
}
