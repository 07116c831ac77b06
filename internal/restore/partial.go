package restore

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"
)

// partial is a file or a directory that is being restored: under a hidden name
// beside its own, until it is whole and proven. It is locked while its process
// lives, so that the next restore can tell an abandoned one from one that is
// being written.
type partial struct {
	root *os.Root // of the directory both names lie in
	name string   // in the end
	temp string   // until then
	file *os.File // the file or directory, which bears the lock
}

var partialName = regexp.MustCompile(`^\.(.+)\.partial-[0-9a-f]{16}$`)

// newPartial makes the file, or directory, that becomes name in root.
func newPartial(root *os.Root, name string, isDir bool) (*partial, error) {
	var random [8]byte
	rand.Read(random[:])
	p := &partial{root: root, name: name, temp: "." + name + ".partial-" + hex.EncodeToString(random[:])}
	var err error
	if isDir {
		if err = root.Mkdir(p.temp, 0o700); err == nil {
			p.file, err = root.Open(p.temp)
		}
	} else {
		p.file, err = root.OpenFile(p.temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	}
	if err == nil {
		err = unix.Flock(int(p.file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err != nil {
		p.discard()
		return nil, fmt.Errorf("make %q in %q: %w", p.temp, root.Name(), err)
	}
	return p, nil
}

// sync waits until what was written is on the disk, and with it, for a
// directory, everything else on its file system: ten thousand files one by one
// would take minutes.
func (p *partial) sync() error {
	info, err := p.file.Stat()
	if err != nil {
		return err
	}
	if info.IsDir() {
		return unix.Syncfs(int(p.file.Fd()))
	}
	return p.file.Sync()
}

// commit gives it its name. ErrTargetExists if something bears that by now.
func (p *partial) commit() error {
	dir, err := p.root.Open(".")
	if err != nil {
		return fmt.Errorf("rename %q: %w", p.temp, err)
	}
	defer dir.Close()
	err = unix.Renameat2(int(dir.Fd()), p.temp, int(dir.Fd()), p.name, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		// A file system that cannot refuse to replace.
		if _, err = p.root.Lstat(p.name); errors.Is(err, fs.ErrNotExist) {
			err = p.root.Rename(p.temp, p.name)
		} else if err == nil {
			err = fs.ErrExist
		}
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%q: %w", p.root.Name()+"/"+p.name, ErrTargetExists)
	case err != nil:
		return fmt.Errorf("rename %q to %q: %w", p.root.Name()+"/"+p.temp, p.name, err)
	}
	return dir.Sync()
}

// revert takes the name away again.
func (p *partial) revert() { p.root.Rename(p.name, p.temp) }

// discard removes it unless it has its name, as far as that is possible, and
// frees what p holds.
func (p *partial) discard() {
	removeTree(p.root, p.temp)
	if p.file != nil {
		p.file.Close()
	}
}

// removeAbandoned removes what interrupted restores of name left in root.
func removeAbandoned(root *os.Root, name string) error {
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return fmt.Errorf("read %q: %w", root.Name(), err)
	}
	for _, e := range entries {
		match := partialName.FindStringSubmatch(e.Name())
		if match == nil || match[1] != name || !e.IsDir() && !e.Type().IsRegular() {
			continue
		}
		f, err := root.Open(e.Name())
		if err != nil {
			continue
		}
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			removeTree(root, e.Name())
		}
		f.Close()
	}
	return nil
}

// removeTree removes name and everything in it, also directories whose restored
// mode lets nobody in.
func removeTree(root *os.Root, name string) {
	if root.RemoveAll(name) == nil {
		return
	}
	fs.WalkDir(root.FS(), name, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() && strings.HasPrefix(path, name) {
			root.Chmod(path, 0o700)
		}
		return nil
	})
	root.RemoveAll(name)
}
