package disk

import (
	"errors"
	"io/fs"
	"path"
	"syscall"

	"github.com/holdfast-backup/holdfast/internal/vault/layout"
)

// hidden reports whether the object of that key is begun and not done.
func (v *Vault) hidden(key string, object fs.FileInfo) (bool, error) {
	begun, err := v.root.Lstat(layout.BegunMark(key))
	if err != nil || !layout.Hides(begun.ModTime(), object.ModTime()) {
		return false, absent(err)
	}
	_, err = v.root.Lstat(layout.DoneMark(key))
	return err != nil, absent(err)
}

// vouch makes an object that is whole visible where somebody meant to write it in
// place, and did not get to it.
func (v *Vault) vouch(key string) error {
	info, err := v.root.Lstat(key)
	if err != nil {
		return absent(err) // deleted a moment ago
	}
	if hidden, err := v.hidden(key, info); err != nil || !hidden {
		return err
	}
	if err := v.root.Mkdir(layout.DoneMark(key), dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return v.syncDir(path.Dir(key))
}

func absent(err error) error {
	// A name that is too long to be marked is not.
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENAMETOOLONG) {
		return nil
	}
	return err
}

// unmark removes the marks of an object that is gone, the one that vouches for it
// first.
func (v *Vault) unmark(key string) error {
	for _, name := range []string{layout.DoneMark(key), layout.BegunMark(key)} {
		if err := absent(v.root.Remove(name)); err != nil {
			return err
		}
	}
	return nil
}
