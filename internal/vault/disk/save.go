package disk

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/holdfast-backup/holdfast/internal/vault/layout"
)

// writeTemp returns the name of a new file below the root that holds body and is
// flushed. The caller removes it.
func (v *Vault) writeTemp(body []byte) (string, error) {
	name := layout.TempPath(layout.NewID())
	return name, v.writeFile(name, body)
}

// writeFile makes a file and flushes it; on an error there is none.
func (v *Vault) writeFile(name string, body []byte) error {
	f, err := v.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		v.root.Remove(name)
	}
	return err
}

// publish makes the flushed file appear under key, atomically and for good;
// fs.ErrExist if the key is taken. The file keeps its old name too.
func (v *Vault) publish(ctx context.Context, file, key string) error {
	if err := v.place(ctx, file, key, v.root.Link); err != nil {
		return err
	}
	return v.vouch(key)
}

// replace makes the flushed file appear under key in place of what is there.
func (v *Vault) replace(ctx context.Context, file, key string) error {
	return v.place(ctx, file, key, v.root.Rename)
}

// placeAttempts bounds how often place begins anew: far more than neighbours
// that are deleted could make it.
const placeAttempts = 1000

// place links or renames file once the directories of key are there, again if one
// was removed in between because the last object in it was deleted, and flushes
// them.
func (v *Vault) place(ctx context.Context, file, key string, put func(file, key string) error) (err error) {
	dir := path.Dir(key)
	for range placeAttempts {
		if err := ctx.Err(); err != nil {
			return err
		}
		err = v.makeDirs(dir)
		if err == nil {
			err = put(file, key)
		}
		if err == nil {
			return v.syncDirs(dir)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if _, gone := v.root.Lstat(file); gone != nil {
			return err
		}
	}
	return err
}

// makeDirs makes dir and what is missing above it.
func (v *Vault) makeDirs(dir string) error {
	for end := 0; end < len(dir); end++ {
		next := strings.IndexByte(dir[end:], '/')
		if next < 0 {
			next = len(dir) - end
		}
		end += next
		info, err := v.root.Lstat(dir[:end])
		switch {
		case err == nil && !info.IsDir():
			return &fs.PathError{Op: "mkdir", Path: dir[:end], Err: errors.New("not a directory")}
		case errors.Is(err, fs.ErrNotExist):
			err = v.root.Mkdir(dir[:end], dirMode)
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// syncDirs flushes dir and every directory up to the root. Flushing dir alone
// would not do: one above it may have been made just now, by someone else who
// has not flushed it yet.
func (v *Vault) syncDirs(dir string) error {
	for ; ; dir = path.Dir(dir) {
		if err := v.syncDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) || dir == "." {
			return err
		}
	}
}

func (v *Vault) syncDir(dir string) error {
	f, err := v.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
