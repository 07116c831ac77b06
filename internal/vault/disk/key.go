package disk

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path"
	"syscall"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/vault/layout"
)

// checkKey is holdfast.CheckKey where no object is written in place: its name needs no
// room for a mark.
func checkKey(key string) error { return holdfast.CheckKey(key, layout.MaxName) }

// stat returns what is known of the object. holdfast.ErrNotExist for whatever is
// not a plain file in plain directories: symbolic links are not followed, even
// where they stay inside the root.
func (v *Vault) stat(key string) (fs.FileInfo, error) {
	info, err := v.lstat(key)
	if err != nil {
		return nil, err
	}
	if hidden, err := v.hidden(key, info); err != nil || hidden {
		return nil, cmp.Or(err, holdfast.ErrNotExist)
	}
	return info, nil
}

// lstat is stat for what is begun and not done too.
func (v *Vault) lstat(key string) (fs.FileInfo, error) {
	if ok, err := v.isDir(path.Dir(key)); err != nil || !ok {
		return nil, cmp.Or(err, holdfast.ErrNotExist)
	}
	info, err := v.root.Lstat(key)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return nil, holdfast.ErrNotExist
	}
	return info, err
}

// isDir reports whether dir and every directory above it is one, and no link. A
// root that has vanished is an error: an empty vault is another thing.
func (v *Vault) isDir(dir string) (bool, error) {
	for ; dir != "."; dir = path.Dir(dir) {
		info, err := v.root.Lstat(dir)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			_, err := v.root.Lstat(layout.TempDir)
			return false, err
		}
		if err != nil || !info.IsDir() {
			return false, err
		}
	}
	return true, nil
}

// cause returns what is wrong without the path, which the caller's error names
// as the key.
func cause(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return holdfast.ErrFull
	}
	var onPath *fs.PathError
	if errors.As(err, &onPath) {
		return onPath.Err
	}
	var onLink *os.LinkError
	if errors.As(err, &onLink) {
		return onLink.Err
	}
	return err
}
