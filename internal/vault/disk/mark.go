package disk

import (
	"errors"
	"io/fs"
	"path"
	"strings"
	"syscall"
	"time"
)

// Marks stand beside an object that package sftp has written in place, on a server
// that forbids both to rename and to remove: see there. What is begun and not done
// is not there for anybody.
const (
	begunSuffix = ".begun"
	doneSuffix  = ".done"
)

// markSlack is by how much a mark may be younger than its object. An object was last
// written after it was begun; a mark that somebody makes beside an old one, to have
// it taken for unfinished and swept, hides nothing.
const markSlack = time.Minute

func begunMark(key string) string { return mark(key, begunSuffix) }
func doneMark(key string) string  { return mark(key, doneSuffix) }

func mark(key, suffix string) string {
	dir, name := path.Split(key)
	return dir + "." + name + suffix
}

// hides reports whether a mark makes an object one that is begun and not done.
func hides(begun, object time.Time) bool { return !begun.After(object.Add(markSlack)) }

// hidden reports whether the object of that key is begun and not done.
func (v *Vault) hidden(key string, object fs.FileInfo) (bool, error) {
	begun, err := v.root.Lstat(begunMark(key))
	if err != nil || !hides(begun.ModTime(), object.ModTime()) {
		return false, absent(err)
	}
	_, err = v.root.Lstat(doneMark(key))
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

// marks are the marks in one directory, and when they were made.
type marks map[string]time.Time

func (m marks) add(info fs.FileInfo) {
	name := info.Name()
	if name[0] == '.' && (strings.HasSuffix(name, begunSuffix) || strings.HasSuffix(name, doneSuffix)) {
		m[name] = info.ModTime()
	}
}

// hide reports whether the object is begun and not done.
func (m marks) hide(object fs.FileInfo) bool {
	begun, marked := m[begunMark(object.Name())]
	_, done := m[doneMark(object.Name())]
	return marked && !done && hides(begun, object.ModTime())
}
