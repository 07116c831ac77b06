package open

import (
	"context"
	"errors"
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
	own, err := ownDir(dir)
	if err != nil {
		return nil, err
	}
	files, err := adopt.OpenDir(dir)
	if err != nil {
		return nil, err
	}
	options.Source, options.Shared = files, own == dir
	vault, err := disk.New(own, disk.Options{BaseURL: o.BaseURL, Sealer: o.Sealer, Now: o.Now, Log: o.Log})
	if err != nil {
		files.Close()
		return nil, err
	}
	return adopt.New(vault, options)
}

// ownDir returns where Holdfast's own files lie, or are to lie, in a directory that
// others write to. What was decided once stays: whoever can write there could
// otherwise make all that is Holdfast's vanish with a folder, and with it what holds
// backups.
func ownDir(dir string) (string, error) {
	isVault, err := isVault(dir)
	if err != nil {
		return "", fmt.Errorf("open vault: %w", err)
	}
	own := filepath.Join(dir, OwnDir)
	info, err := os.Lstat(own)
	switch {
	case errors.Is(err, fs.ErrNotExist) && isVault:
		return dir, nil
	case errors.Is(err, fs.ErrNotExist):
		return own, nil
	case err != nil:
		return "", fmt.Errorf("open vault: %w", err)
	case !info.IsDir():
		return "", refused{fmt.Sprintf("open vault %q: %q is no directory", dir, own), "Holdfast keeps its own files there: move away what is there now"}
	case isVault:
		return "", refused{fmt.Sprintf("open vault %q: backups lie in it and in %q, and one of the two would not be seen", dir, own),
			fmt.Sprintf("send backups to %s alone: change the path they are sent to, move what is new in %s to %s, and remove %s and an empty %s",
				own, filepath.Join(dir, holdfast.BackupsPrefix), filepath.Join(own, holdfast.BackupsPrefix),
				filepath.Join(dir, ".uploads"), filepath.Join(dir, holdfast.BackupsPrefix))}
	}
	return own, nil
}

// checkNotLeft refuses to open a directory as a vault whose backups lie in the
// place that Holdfast had there while it adopted others' files.
func checkNotLeft(dir string) error {
	own := filepath.Join(dir, OwnDir)
	if entries, err := os.ReadDir(own); err != nil || len(entries) == 0 {
		return nil // what is wrong with the directory itself comes out when it is opened
	}
	return refused{fmt.Sprintf("open vault %q: Holdfast's own files lie in %q, and would not be seen", dir, own),
		fmt.Sprintf("without `adopt` the vault's path is %s; put `adopt` back as long as the other program's backups count", own)}
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
