package sftp

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	pkgsftp "github.com/pkg/sftp"
)

// op is one call's access to the server. Its methods take names below the root,
// are one request each, and return the errors of errors.go.
type op struct {
	ctx      context.Context
	s        *session
	root     string
	transfer bool
}

func (o op) path(name string) string {
	return cmp.Or(path.Join(o.root, name), ".")
}

// call makes one request. It can't be broken off: whoever does not want to wait
// for it leaves it behind.
func (o op) call(f func(c *pkgsftp.Client) error) error {
	if err := o.ctx.Err(); err != nil {
		return err
	}
	o.s.enter()
	defer o.s.leave()
	return o.s.cause(f(o.s.client))
}

func (o op) lstat(name string) (info fs.FileInfo, err error) {
	err = o.call(func(c *pkgsftp.Client) (err error) { info, err = c.Lstat(o.path(name)); return err })
	return info, err
}

func (o op) stat(name string) (info fs.FileInfo, err error) {
	err = o.call(func(c *pkgsftp.Client) (err error) { info, err = c.Stat(o.path(name)); return err })
	return info, err
}

func (o op) readDir(name string) (all []fs.FileInfo, err error) {
	err = o.call(func(c *pkgsftp.Client) (err error) { all, err = c.ReadDir(o.path(name)); return err })
	return all, err
}

func (o op) open(name string, flags int) (f *pkgsftp.File, err error) {
	err = o.call(func(c *pkgsftp.Client) (err error) { f, err = c.OpenFile(o.path(name), flags); return err })
	return f, err
}

func (o op) close(f *pkgsftp.File) error {
	return o.call(func(*pkgsftp.Client) error { return f.Close() })
}

// remove removes a file; there being none is no error.
func (o op) remove(name string) error {
	err := o.call(func(c *pkgsftp.Client) error { return c.Remove(o.path(name)) })
	if isNotExist(err) {
		return nil
	}
	return err
}

func (o op) rmdir(name string) error {
	return o.call(func(c *pkgsftp.Client) error { return c.RemoveDirectory(o.path(name)) })
}

func (o op) rename(from, to string) error {
	return o.call(func(c *pkgsftp.Client) error { return c.Rename(o.path(from), o.path(to)) })
}

func (o op) link(from, to string) error {
	return o.call(func(c *pkgsftp.Client) error { return c.Link(o.path(from), o.path(to)) })
}

func (o op) truncate(name string, size int64) error {
	return o.call(func(c *pkgsftp.Client) error { return c.Truncate(o.path(name), size) })
}

func (o op) chmod(name string, mode fs.FileMode) error {
	return o.call(func(c *pkgsftp.Client) error { return c.Chmod(o.path(name), mode) })
}

func (o op) setTime(name string, t time.Time) error {
	return o.call(func(c *pkgsftp.Client) error { return c.Chtimes(o.path(name), t, t) })
}

// flush has the server write the file to its disk, where it can.
func (o op) flush(f *pkgsftp.File) error {
	if _, can := o.s.client.HasExtension("fsync@openssh.com"); !can {
		return nil
	}
	o.s.count(&o.s.flushing, 1)
	defer o.s.count(&o.s.flushing, -1)
	return o.call(func(*pkgsftp.Client) error { return f.Sync() })
}

// mkdir makes a directory; fs.ErrExist if the name is taken.
func (o op) mkdir(name string) error {
	err := o.call(func(c *pkgsftp.Client) error { return c.Mkdir(o.path(name)) })
	return o.taken(name, err)
}

// create makes a file that was not there; fs.ErrExist if the name is taken.
func (o op) create(name string) (*pkgsftp.File, error) {
	f, err := o.open(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	return f, o.taken(name, err)
}

// taken makes fs.ErrExist of a failure if there is something under the name: the
// protocol has one code for all of them.
func (o op) taken(name string, err error) error {
	if !errors.Is(err, errFailure) {
		return err
	}
	switch _, there := o.lstat(name); {
	case there == nil:
		return fs.ErrExist
	case isLost(there):
		return there
	}
	return o.full(err)
}

// ensureDir makes one directory unless it is there.
func (o op) ensureDir(name string) error {
	if err := o.mkdir(name); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// makeDirs makes dir and what is missing above it, below the root.
func (o op) makeDirs(dir string) error {
	if dir == "." {
		return nil
	}
	err := o.mkdir(dir)
	if isNotExist(err) {
		if err = o.makeDirs(path.Dir(dir)); err == nil {
			err = o.mkdir(dir)
		}
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// makeRoot makes the vault's directory and what is missing above it.
func (o op) makeRoot() error {
	above := op{ctx: o.ctx, s: o.s}
	if strings.HasPrefix(o.root, "/") {
		above.root = "/"
	}
	return above.makeDirs(cmp.Or(strings.TrimPrefix(o.root, "/"), "."))
}

// together calls f(0) … f(n-1) at once and returns their errors, in order.
func together(n int, f func(i int) error) []error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	return errs
}
