package restore

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// enter makes dir the directory being filled: it leaves those that dir is not
// in, and makes those on the way that are not there. Only directories on the
// way are remembered, so memory does not grow with their number.
func (t *tree) enter(dir string) error {
	keep := 1
	for keep < len(t.open) && within(dir, t.open[keep].name) {
		keep++
	}
	if err := t.leave(keep); err != nil {
		return err
	}
	if dir == "." {
		return nil
	}
	here := t.open[len(t.open)-1].name
	rest := dir
	if here != "." {
		rest = strings.TrimPrefix(strings.TrimPrefix(dir, here), "/")
	}
	for part := range strings.SplitSeq(rest, "/") {
		if part == "" {
			break
		}
		here = path.Join(here, part)
		if err := t.step(here); err != nil {
			return err
		}
	}
	return nil
}

// step opens one directory whose parent is open.
func (t *tree) step(name string) error {
	err := t.root.Mkdir(name, 0o700)
	if err == nil {
		t.open = append(t.open, &openDir{name: name, mode: 0o700})
		return nil
	}
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := t.root.Lstat(name)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("lies under %q, which is no directory", name)
	}
	mode := info.Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)
	if mode&0o700 != 0o700 {
		if err := t.root.Chmod(name, mode|0o700); err != nil {
			return err
		}
	}
	t.open = append(t.open, &openDir{name: name, mode: mode, mtime: info.ModTime()})
	return nil
}

// leave finishes all open directories but the outermost keep, innermost first.
func (t *tree) leave(keep int) error {
	for len(t.open) > keep {
		d := t.open[len(t.open)-1]
		t.open = t.open[:len(t.open)-1]
		if err := t.finish(d); err != nil {
			return fmt.Errorf("extract %q: %w", d.name, err)
		}
	}
	return nil
}

func (t *tree) finish(d *openDir) error {
	if d.header != nil {
		d.mode, d.mtime = t.mode(d.header), d.header.ModTime
		if t.owners != nil {
			uid, gid := t.owners.of(d.header)
			if err := t.root.Lchown(d.name, uid, gid); err != nil {
				return err
			}
		}
	}
	if err := t.root.Chmod(d.name, d.mode); err != nil {
		return err
	}
	if d.mtime.IsZero() {
		return nil
	}
	return t.root.Chtimes(d.name, d.mtime, d.mtime)
}
