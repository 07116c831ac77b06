package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-backup/holdfast/internal/secret"
)

// Problem is one thing wrong with a configuration file.
type Problem struct {
	File string
	Line int    // from 1
	Path string // of the key, "jobs.crm.sources[0].files"; empty for the whole file
	Text string // what is wrong, and what would be right
}

// Error returns "file:line: path: text".
func (p Problem) Error() string {
	if p.Path == "" {
		return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
	}
	return fmt.Sprintf("%s:%d: %s: %s", p.File, p.Line, p.Path, p.Text)
}

// Problems is everything wrong with a configuration file, in the order of its lines.
type Problems []Problem

// Error returns one line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// document is a configuration file while it is read: where its keys stand and
// what is wrong with it.
type document struct {
	file     string
	dir      string
	secrets  []string                // kinds of places where secrets may lie, as in secret.Ref
	lines    map[string]int          // by path
	refs     map[secret.Ref][]string // paths of the references to secrets
	problems Problems
}

// errorf notes a problem with the key at path, or with the place where it should
// be. The first problem of a path is the one that explains it; others are left out.
func (d *document) errorf(path, format string, args ...any) {
	if slices.ContainsFunc(d.problems, func(p Problem) bool { return p.Path == path }) {
		return
	}
	d.problems = append(d.problems, Problem{d.file, d.line(path), path, fmt.Sprintf(format, args...)})
}

// given reports whether the file has a key at path.
func (d *document) given(path string) bool { return d.lines[path] > 0 }

// broken reports whether something is wrong at path or below.
func (d *document) broken(path string) bool {
	return slices.ContainsFunc(d.problems, func(p Problem) bool {
		rest, ok := strings.CutPrefix(p.Path, path)
		return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}

// line returns the line of the key at path, or of the nearest one above it.
func (d *document) line(path string) int {
	for path != "" {
		if line := d.lines[path]; line > 0 {
			return line
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return 1
}

func (d *document) sorted() Problems {
	slices.SortStableFunc(d.problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	return d.problems
}
