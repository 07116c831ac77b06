package disk

import (
	"errors"
	"io/fs"
	"path"
	"strings"
	"syscall"
)

// Marks stand beside an object that package sftp has written in place, on a server
// that forbids both to rename and to remove: see there. What is begun and not done
// is not there for anybody.
const (
	begunSuffix = ".begun"
	doneSuffix  = ".done"
)

func begunMark(key string) string { return mark(key, begunSuffix) }
func doneMark(key string) string  { return mark(key, doneSuffix) }

func mark(key, suffix string) string {
	dir, name := path.Split(key)
	return dir + "." + name + suffix
}

// hidden reports whether the object is begun and not done.
func (v *Vault) hidden(key string) (bool, error) {
	if _, err := v.root.Lstat(begunMark(key)); err != nil {
		return false, absent(err)
	}
	_, err := v.root.Lstat(doneMark(key))
	return err != nil, absent(err)
}

// vouch makes an object that is whole visible where somebody meant to write it in
// place, and did not get to it.
func (v *Vault) vouch(key string) error {
	if hidden, err := v.hidden(key); err != nil || !hidden {
		return err
	}
	if err := v.root.Mkdir(doneMark(key), dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
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
	for _, name := range []string{doneMark(key), begunMark(key)} {
		if err := absent(v.root.Remove(name)); err != nil {
			return err
		}
	}
	return nil
}

// marks are the names of marks in one directory.
type marks map[string]bool

func (m marks) add(name string) {
	if name[0] == '.' && (strings.HasSuffix(name, begunSuffix) || strings.HasSuffix(name, doneSuffix)) {
		m[name] = true
	}
}

// hide reports whether the object of that name is begun and not done.
func (m marks) hide(name string) bool { return m[begunMark(name)] && !m[doneMark(name)] }
