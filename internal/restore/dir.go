package restore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/holdfast-backup/holdfast"
)

// DirOptions says what goes into a directory, and how.
type DirOptions struct {
	// Streams to restore. None: all, or with Paths all archives.
	Streams []string
	// Paths picks members of archives: those that lie at or under one of
	// them. Leading and trailing slashes do not matter. None: everything.
	Paths []string
	// NoOwner leaves everything to whom this process runs as. Without it,
	// root restores owners, and setuid and setgid with them.
	NoOwner bool
}

// Written is what became of one stream.
type Written struct {
	Stream  string `json:"stream"`
	Path    string `json:"path"`
	Size    int64  `json:"size"`              // bytes, of the plain stream
	Members int64  `json:"members,omitempty"` // of an archive that were restored
}

// ToDir restores streams into dir, which is made if it is not there: archives
// as trees under dir/<stream>, all others as dir/<plain file>. Everything gets
// its name at the end, when all of it is proven and on the disk; after an error
// nothing of it is there. Nothing is overwritten: ErrTargetExists. A path of
// Paths at which nothing lies is ErrNotFound.
func (b *Backup) ToDir(ctx context.Context, dir string, o DirOptions) ([]Written, error) {
	fits, what := func(holdfast.Stream) bool { return true }, "a directory"
	if len(o.Paths) > 0 {
		fits, what = isTar, "paths"
	}
	streams, err := b.choose(o.Streams, what, fits)
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, fmt.Errorf("restore into %q: %w", dir, err)
	}
	made, err := makeDir(dir)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("restore into directory: %w", err)
	}
	defer root.Close()
	d := &dirRestore{backup: b, root: root, options: o, paths: newPathFilter(o.Paths)}
	written, err := d.run(ctx, streams)
	if err != nil && made {
		os.Remove(dir)
	}
	return written, err
}

// makeDir makes the directory if it is not there, and tells whether it did.
func makeDir(dir string) (made bool, err error) {
	if _, err := os.Stat(dir); err == nil {
		return false, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false, fmt.Errorf("restore into directory: %w", err)
	}
	return true, nil
}

type dirRestore struct {
	backup   *Backup
	root     *os.Root
	options  DirOptions
	paths    *pathFilter
	partials []*partial
	written  []Written
}

func (d *dirRestore) run(ctx context.Context, streams []holdfast.Stream) ([]Written, error) {
	if err := d.prepare(streams); err != nil {
		return nil, err
	}
	d.backup.begin(streams...)
	defer func() {
		for _, p := range d.partials {
			p.discard()
		}
	}()
	for _, s := range streams {
		if err := d.restore(ctx, s); err != nil {
			return nil, err
		}
	}
	if missed := d.paths.missed(); len(missed) > 0 {
		return nil, fmt.Errorf("restore %s: %w", strings.Join(missed, ", "), ErrNotFound)
	}
	for i, p := range d.partials {
		if err := p.commit(); err != nil {
			for _, done := range d.partials[:i] {
				done.revert()
			}
			return nil, err
		}
	}
	return d.written, nil
}

// target returns the name of what becomes of the stream.
func target(s holdfast.Stream) string {
	if isTar(s) {
		return s.Name
	}
	return s.PlainFile
}

// prepare refuses what would overwrite, before anything is fetched, and removes
// what earlier restores have left.
func (d *dirRestore) prepare(streams []holdfast.Stream) error {
	taken := map[string]bool{}
	for _, s := range streams {
		name := target(s)
		if taken[name] {
			return &ChoiceError{fmt.Sprintf("several streams would become %q", name), d.backup.streamNames()}
		}
		taken[name] = true
		if _, err := d.root.Lstat(name); err == nil {
			return fmt.Errorf("%q: %w", path.Join(d.root.Name(), name), ErrTargetExists)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("restore into directory: %w", err)
		}
		if err := removeAbandoned(d.root, name); err != nil {
			return err
		}
		if len(d.options.Paths) > 0 && !isTar(s) {
			return &ChoiceError{fmt.Sprintf("stream %q is no archive to take paths from", s.Name), d.backup.streamNames()}
		}
	}
	if len(d.options.Paths) > 0 {
		return nil // part of it may fit where all of it does not
	}
	return checkSpace(d.root, streams...)
}

// restore writes one stream under its temporary name.
func (d *dirRestore) restore(ctx context.Context, s holdfast.Stream) error {
	p, err := newPartial(d.root, target(s), isTar(s))
	if err != nil {
		return err
	}
	d.partials = append(d.partials, p)
	written := Written{Stream: s.Name, Path: path.Join(d.root.Name(), p.name), Size: s.PlainSize}
	err = d.backup.read(ctx, s, func(plain io.Reader) error {
		if !isTar(s) {
			return copyAll(p.file, plain)
		}
		written.Members, err = d.extract(ctx, p, plain, s.PlainSize)
		return err
	})
	if err != nil {
		return fmt.Errorf("restore stream %q: %w", s.Name, err)
	}
	if len(d.options.Paths) > 0 && written.Members == 0 {
		d.partials = d.partials[:len(d.partials)-1]
		p.discard()
		return nil
	}
	if err := p.sync(); err != nil {
		return fmt.Errorf("restore stream %q: write to disk: %w", s.Name, err)
	}
	d.written = append(d.written, written)
	return nil
}

func (d *dirRestore) extract(ctx context.Context, p *partial, plain io.Reader, size int64) (members int64, err error) {
	root, err := d.root.OpenRoot(p.temp)
	if err != nil {
		return 0, err
	}
	defer root.Close()
	t := &tree{root: root, paths: d.paths, left: size, warn: d.backup.options.Warn}
	if !d.options.NoOwner && os.Geteuid() == 0 {
		t.owners = newOwners()
	}
	return t.extract(ctx, plain)
}
