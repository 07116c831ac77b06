package restore

import (
	"path"
	"slices"
	"strconv"
	"strings"
)

// pathFilter picks members. A nil filter picks all.
type pathFilter struct {
	paths []string // clean, without the leading slash
	found []bool
}

func newPathFilter(paths []string) *pathFilter {
	if len(paths) == 0 {
		return nil
	}
	f := &pathFilter{found: make([]bool, len(paths))}
	for _, p := range paths {
		f.paths = append(f.paths, strings.TrimPrefix(path.Clean("/"+p), "/"))
		if f.paths[len(f.paths)-1] == "" {
			f.paths[len(f.paths)-1] = "."
		}
	}
	return f
}

// match reports whether the member is picked, and remembers by what.
func (f *pathFilter) match(name string) bool {
	if f == nil {
		return true
	}
	matched := false
	for i, p := range f.paths {
		if within(name, p) {
			matched, f.found[i] = true, true
		}
	}
	return matched
}

// covers is match without remembering.
func (f *pathFilter) covers(name string) bool {
	return f == nil || slices.ContainsFunc(f.paths, func(p string) bool { return within(name, p) })
}

// missed returns the paths at which nothing lies.
func (f *pathFilter) missed() (paths []string) {
	if f == nil {
		return nil
	}
	for i, p := range f.paths {
		if !f.found[i] {
			paths = append(paths, strconv.Quote(p))
		}
	}
	return paths
}

// within reports whether name is dir or lies under it.
func within(name, dir string) bool {
	return dir == "." || name == dir || strings.HasPrefix(name, dir) && name[len(dir)] == '/'
}
