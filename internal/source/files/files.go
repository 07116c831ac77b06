// Package files is the source that writes files and directories as a tar
// archive (PAX), in the order of their names. Symbolic links, hard links, modes,
// times and owners are kept; access control lists and extended attributes are
// not. Sockets, devices and pipes are left out with a warning.
//
// Files are opened relative to the directory that was read, without following
// links, so that exchanging a file for a link while it is read leads nowhere.
package files

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/holdfast-backup/holdfast"
)

// Kind is the Facts.Kind of these archives.
const Kind = "files"

// Format is the Facts.Format.
const Format = "tar"

// Options says what to archive.
type Options struct {
	Name string // of the stream; File adds ".tar"
	// Include are absolute paths of files and directories. Each must exist and
	// not be a symbolic link, and is taken whatever the rules below say.
	Include []string
	// Exclude are patterns of what to leave out: without a slash of a name
	// anywhere, with one of a path, which is the whole path if it begins with
	// a slash and the end of one otherwise. A slash at the end matches
	// directories only; ** matches any number of directories.
	Exclude []string
	// ExcludeIfPresent are names of files; a directory that has one is left out.
	ExcludeIfPresent []string
	OneFileSystem    bool // leave out what other file systems hold
	SkipUnreadable   bool // what cannot be read is a warning instead of an error
	// AllowEmpty takes an include without any regular file. Otherwise it is an
	// error: a file system that is not mounted is an empty directory.
	AllowEmpty bool
}

// Source archives files. It implements holdfast.Source.
type Source struct {
	options Options
	exclude []rule
}

// New returns the source, or an error if the options cannot be used. It does
// not look at the files.
func New(options Options) (*Source, error) {
	if len(options.Include) == 0 {
		return nil, errors.New("files: include is empty")
	}
	include := make([]string, 0, len(options.Include))
	for _, p := range options.Include {
		if !path.IsAbs(p) {
			return nil, fmt.Errorf("files: include %q: want an absolute path", p)
		}
		include = append(include, path.Clean(p))
	}
	slices.Sort(include)
	options.Include = slices.Compact(include)
	for _, name := range options.ExcludeIfPresent {
		if name == "" || strings.Contains(name, "/") {
			return nil, fmt.Errorf("files: exclude if present %q: want the name of a file", name)
		}
	}
	rules, err := parseRules(options.Exclude)
	if err != nil {
		return nil, err
	}
	return &Source{options, rules}, nil
}

// File implements holdfast.Source.
func (s *Source) File() string { return s.options.Name + ".tar" }

// Dump implements holdfast.Source. Facts.Stats counts files, dirs, symlinks,
// bytes (of file content), skipped (unreadable, or of a kind that is not
// stored), changed and vanished (while they were read).
func (s *Source) Dump(ctx context.Context, w io.Writer) (holdfast.Facts, error) {
	facts := holdfast.Facts{Kind: Kind, Format: Format, Stats: map[string]int64{
		"files": 0, "dirs": 0, "symlinks": 0, "bytes": 0, "skipped": 0, "changed": 0, "vanished": 0,
	}}
	out := bufio.NewWriterSize(w, 256<<10)
	a := &archiver{Source: s, ctx: ctx, tar: tar.NewWriter(out), facts: &facts, links: make(map[inode]string)}
	stored := make(map[string]int64, len(s.options.Include)) // files by include
	for _, p := range s.options.Include {
		before := facts.Stats["files"]
		if err := a.include(p); err != nil {
			return facts, err
		}
		stored[p] = facts.Stats["files"] - before
	}
	if err := s.checkEmpty(stored); err != nil {
		return facts, err
	}
	if a.entries == 0 {
		return facts, errors.New("files: there is nothing to archive")
	}
	if err := a.tar.Close(); err != nil {
		return facts, err
	}
	return facts, out.Flush()
}

// checkEmpty returns an error if an included path yielded no regular file, below
// it or as an include of its own below it.
func (s *Source) checkEmpty(stored map[string]int64) error {
	if s.options.AllowEmpty {
		return nil
	}
	for _, p := range s.options.Include {
		if s.below(p, stored) == 0 {
			return fmt.Errorf("include %q: holds no regular file, and allow_empty is not set", p)
		}
	}
	return nil
}

// below returns how many files were stored of an included path and of those below it.
func (s *Source) below(p string, stored map[string]int64) (n int64) {
	for q, files := range stored {
		if q == p || strings.HasPrefix(q, strings.TrimSuffix(p, "/")+"/") {
			n += files
		}
	}
	return n
}
