package files

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/holdfast-backup/holdfast"
)

// archiver is one run of a Source.
type archiver struct {
	*Source
	ctx     context.Context
	tar     *tar.Writer
	look    *survey // not nil: only look, and archive nothing
	facts   *holdfast.Facts
	entries int64
	owners  owners
	// links are the names under which files with several names were stored;
	// it grows with their number.
	links map[inode]string
	buf   []byte
}

type inode struct{ dev, ino uint64 }

// place is a name in an open directory.
type place struct {
	dir  *os.File
	name string // in dir
	path string // absolute
	dev  uint64 // of the file system of the included path
}

// include archives an included path and everything below.
func (a *archiver) include(p string) error {
	// O_PATH, because a directory on the way may be one to pass, not to read.
	fd, err := unix.Open(path.Dir(p), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("include %q: %w", p, err)
	}
	parent := os.NewFile(uintptr(fd), path.Dir(p))
	defer parent.Close()
	at := place{dir: parent, name: path.Base(p), path: p}
	if p == "/" {
		at.name = "."
	}
	st, err := at.stat()
	if err != nil {
		return fmt.Errorf("include %q: %w", p, err)
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return fmt.Errorf("include %q: is a symbolic link; include what it points to", p)
	}
	at.dev = st.Dev
	return a.add(at, st)
}

// add archives what is at a place and everything below.
func (a *archiver) add(at place, st unix.Stat_t) error {
	if err := a.ctx.Err(); err != nil {
		return fmt.Errorf("archive %q: %w", at.path, context.Cause(a.ctx))
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return a.addDir(at, st)
	case unix.S_IFREG:
		return a.addFile(at, st)
	case unix.S_IFLNK:
		return a.addSymlink(at, st)
	}
	a.facts.Stats["skipped"]++
	a.facts.Warn(fmt.Sprintf("%q: is a socket, pipe or device, which are not stored", at.path))
	return nil
}

func (a *archiver) addDir(at place, st unix.Stat_t) error {
	included := slices.Contains(a.options.Include, at.path)
	foreign := a.options.OneFileSystem && st.Dev != at.dev
	dir, err := at.open(unix.O_DIRECTORY)
	if err != nil {
		return a.lost(at, err)
	}
	defer dir.Close()
	var names []string
	if !foreign {
		if names, err = dir.Readdirnames(-1); err != nil {
			return a.lost(at, err)
		}
		slices.Sort(names)
	}
	if !included && slices.ContainsFunc(a.options.ExcludeIfPresent, func(name string) bool {
		_, found := slices.BinarySearch(names, name)
		return found
	}) {
		return nil
	}
	h := a.header(at, st)
	h.Typeflag = tar.TypeDir
	if at.path != "/" {
		h.Name += "/"
		if err := a.write(h); err != nil {
			return err
		}
		a.facts.Stats["dirs"]++
	}
	for _, name := range names {
		if err := a.addChild(place{dir, name, path.Join(at.path, name), at.dev}); err != nil {
			return err
		}
	}
	return nil
}

func (a *archiver) addChild(at place) error {
	st, err := at.stat()
	if err != nil {
		if a.excluded(at.path, false) {
			return nil
		}
		return a.lost(at, err)
	}
	// What is included itself is archived in its own turn.
	if a.excluded(at.path, st.Mode&unix.S_IFMT == unix.S_IFDIR) || slices.Contains(a.options.Include, at.path) {
		return nil
	}
	return a.add(at, st)
}

func (a *archiver) addSymlink(at place, st unix.Stat_t) error {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(int(at.dir.Fd()), at.name, buf)
	if err != nil {
		return a.lost(at, err)
	}
	h := a.header(at, st)
	h.Typeflag, h.Linkname = tar.TypeSymlink, string(buf[:n])
	a.facts.Stats["symlinks"]++
	return a.write(h)
}

// lost counts what could not be read: gone since its directory was read, or
// unreadable, which is an error unless it is to be skipped.
func (a *archiver) lost(at place, err error) error {
	switch {
	case errors.Is(err, unix.ENOENT) && !slices.Contains(a.options.Include, at.path):
		a.facts.Stats["vanished"]++
		a.facts.Warn(fmt.Sprintf("%q: vanished before it was read", at.path))
	case errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR):
		a.changed(at, "became something else before it was read, and is not stored")
	case a.look != nil:
		a.look.miss(&UnreadableError{at.path, cause(err)})
	case a.options.SkipUnreadable:
		a.facts.Stats["skipped"]++
		a.facts.Warn(fmt.Sprintf("%q: %v", at.path, cause(err)))
	default:
		return &UnreadableError{at.path, cause(err)}
	}
	return nil
}

func (a *archiver) changed(at place, how string) {
	a.facts.Stats["changed"]++
	a.facts.Warn(fmt.Sprintf("%q: %s", at.path, how))
}

func (a *archiver) write(h *tar.Header) error {
	a.entries++
	if a.look != nil {
		return nil
	}
	return a.tar.WriteHeader(h)
}

func (at place) stat() (st unix.Stat_t, err error) {
	err = unix.Fstatat(int(at.dir.Fd()), at.name, &st, unix.AT_SYMLINK_NOFOLLOW)
	return st, err
}

// open opens what is at the place, never what a link there points to, and never
// waits for the other end of a pipe.
func (at place) open(flags int) (*os.File, error) {
	fd, err := unix.Openat(int(at.dir.Fd()), at.name, flags|unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), at.path), nil
}

// readable returns why an included path cannot be archived, if so; io.EOF for an
// empty directory.
func readable(p string) error {
	info, err := os.Lstat(p)
	if err != nil {
		return err
	}
	if info.Mode()&os.ModeSymlink != 0 {
		return fmt.Errorf("%q is a symbolic link; include what it points to", p)
	}
	f, err := os.OpenFile(p, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if info.IsDir() {
		_, err = f.Readdirnames(1)
	}
	return err
}

// cause drops the operation and path that os puts in front.
func cause(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
