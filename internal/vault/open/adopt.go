package open

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/vault/adopt"
	"github.com/holdfast-backup/holdfast/internal/vault/disk"
)

// OwnDir is where Holdfast keeps what is its own in a directory of others' files.
const OwnDir = ".holdfast"

// openAdopted returns the vault of a configuration with what it adopts.
func openAdopted(ctx context.Context, c config.Vault, o Options) (holdfast.Vault, error) {
	options := adopt.Options{Now: o.Now}
	for _, a := range c.Adopt {
		zone := time.UTC
		if a.TimeZone != "" {
			var err error
			if zone, err = time.LoadLocation(a.TimeZone); err != nil {
				return nil, fmt.Errorf("adopt %s/%s: %w", a.Host, a.Job, err)
			}
		}
		options.Entries = append(options.Entries, adopt.Entry{
			Host: a.Host, Job: a.Job, Pattern: a.Pattern, Below: a.Below, Zone: zone, Delete: a.Delete,
		})
	}
	c.Adopt = nil
	if c.Disk != nil {
		return openAdoptedDir(c.Disk.Path, options, o)
	}
	own, err := Open(ctx, c, o)
	if err != nil {
		return nil, err
	}
	return adopt.New(own, options)
}

// openAdoptedDir returns the vault in a directory that others write to.
func openAdoptedDir(dir string, options adopt.Options, o Options) (holdfast.Vault, error) {
	if err := checkDir(dir, false); err != nil {
		return nil, err
	}
	isVault, err := isVault(dir)
	if err != nil {
		return nil, fmt.Errorf("open vault: %w", err)
	}
	own := filepath.Join(dir, OwnDir)
	if isVault {
		own = dir
	}
	files, err := adopt.OpenDir(dir)
	if err != nil {
		return nil, err
	}
	options.Source, options.Shared = files, isVault
	vault, err := disk.New(own, disk.Options{BaseURL: o.BaseURL, Sealer: o.Sealer, Now: o.Now, Log: o.Log})
	if err != nil {
		files.Close()
		return nil, err
	}
	return adopt.New(vault, options)
}

// isVault reports whether a directory is a vault itself, also one that was written
// by SFTP alone.
func isVault(dir string) (bool, error) {
	if info, err := os.Lstat(filepath.Join(dir, ".uploads")); err == nil && info.IsDir() {
		return true, nil
	}
	found, err := fs.Glob(os.DirFS(dir), holdfast.BackupsPrefix+"*/*/*Z-????????")
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(found, func(name string) bool {
		_, err := holdfast.ParseID(filepath.Base(name))
		return err == nil
	}), nil
}

// Source returns what holds the files that a vault could adopt. It may be an
// io.Closer. What Holdfast keeps there itself is among them.
func Source(ctx context.Context, c config.Vault, o Options) (adopt.Source, error) {
	if c.Disk != nil {
		files, err := adopt.OpenDir(c.Disk.Path)
		if err != nil {
			return nil, err // a typed nil must not become a source
		}
		return files, nil
	}
	c.Adopt = nil
	return Open(ctx, c, o)
}

// Own returns the vault without what is adopted into it: what hosts may be let
// write to.
func Own(v holdfast.Vault) holdfast.Vault {
	if view, ok := v.(interface{ Own() holdfast.Vault }); ok {
		return view.Own()
	}
	return v
}
