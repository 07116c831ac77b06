// Package survey sorts the names of files that something else has made into what
// looks like the backups of one job each, and proposes how to adopt them. It looks
// at names alone.
package survey

import (
	"cmp"
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/holdfast-backup/holdfast/internal/adopt/pattern"
)

// Options say what to look for.
type Options struct {
	// Adopted are the rules that the configuration has, in its order.
	Adopted []pattern.Rule
	// Own is a pattern to look for before the known ones; nil for none. All that
	// matches it is one job.
	Own *pattern.Pattern
	// Below limits the survey to a folder; "" for everything.
	Below string
	// Skip reports of a path that it is no file of others'; Usable, that a file can be
	// adopted by it.
	Skip, Usable func(path string) bool
}

// Proposal is a rule, and how to call what it finds.
type Proposal struct {
	Job            string
	Pattern, Below string
}

// Unread counts files that nobody could read a time in.
type Unread struct {
	Files     int      `json:"files"`
	Bytes     int64    `json:"bytes"`
	NoTime    int      `json:"no_time,omitempty"`   // of them those that bear no possible time
	Ambiguous int      `json:"ambiguous,omitempty"` // of them those that can be read as several
	Examples  []string `json:"examples,omitempty"`  // the first few paths
}

const examples = 10

// Overlap is a number of files that two rules of the configuration match, of which
// the first counts.
type Overlap struct {
	First  int `json:"first"` // index into Options.Adopted
	Second int `json:"second"`
	Files  int `json:"files"`
}

// Survey takes in files. It is not safe for concurrent use.
type Survey struct {
	o        Options
	patterns []pattern.Pattern
	groups   map[group]*names
	overlaps map[[2]int]int
	Unread   Unread
}

// group is what files of one job have in common.
type group struct {
	pattern string // as it is known
	folder  string
	stem    string // their names without time, and without what compression and encryption add
}

// names are what is around the time in the names of a group, for a pattern of its own.
type names struct {
	before string
	after  map[string]bool
	mixed  bool // before differs
}

// New returns a survey that has seen nothing.
func New(o Options) (*Survey, error) {
	s := &Survey{o: o, groups: map[group]*names{}, overlaps: map[[2]int]int{}}
	for _, name := range pattern.Known() {
		p, err := pattern.Parse(name)
		if err != nil {
			return nil, err
		}
		s.patterns = append(s.patterns, p)
	}
	return s, nil
}

// Add takes in a file.
func (s *Survey) Add(file string, size int64) {
	if s.o.Skip != nil && s.o.Skip(file) || s.o.Below != "" && !strings.HasPrefix(file, s.o.Below+"/") {
		return
	}
	if s.o.Usable != nil && !s.o.Usable(file) {
		s.unread(file, size, pattern.ErrNoMatch)
		return
	}
	if s.isAdopted(file) {
		return
	}
	worst := pattern.ErrNoMatch
	if s.o.Own != nil {
		rule := pattern.Rule{Pattern: *s.o.Own, Below: s.o.Below}
		_, err := rule.Match(file)
		if err == nil {
			s.groups[group{pattern: rule.String(), folder: s.o.Below}] = &names{}
			return
		}
		worst = err
	}
	for _, p := range s.patterns {
		r, err := p.Match(file)
		if err == nil {
			s.add(p, file, r)
			return
		}
		if !errors.Is(err, pattern.ErrNoMatch) {
			worst = err
		}
	}
	s.unread(file, size, worst)
}

// isAdopted reports whether a rule of the configuration has the file, and counts
// those that others have too.
func (s *Survey) isAdopted(file string) bool {
	first := -1
	for i, rule := range s.o.Adopted {
		if _, err := rule.Match(file); err != nil {
			continue
		}
		if first >= 0 {
			s.overlaps[[2]int{first, i}]++
			continue
		}
		first = i
	}
	return first >= 0
}

func (s *Survey) unread(file string, size int64, why error) {
	s.Unread.Files++
	s.Unread.Bytes += size
	switch {
	case errors.Is(why, pattern.ErrNoTime):
		s.Unread.NoTime++
	case errors.Is(why, pattern.ErrAmbiguous):
		s.Unread.Ambiguous++
	}
	if len(s.Unread.Examples) < examples {
		s.Unread.Examples = append(s.Unread.Examples, file)
	}
}

// add adds a file to its group.
func (s *Survey) add(p pattern.Pattern, file string, r pattern.Reading) {
	folder := path.Dir(file)
	if folder == "." {
		folder = ""
	}
	g := group{pattern: p.String(), folder: folder, stem: stem(r.Name())}
	known := s.groups[g]
	if known == nil {
		known = &names{before: r.Before, after: map[string]bool{}}
		s.groups[g] = known
	}
	known.mixed = known.mixed || known.before != r.Before
	known.after[r.After] = true
}

// stem returns a name without the extensions that come and go with a setting.
func stem(name string) string {
	for {
		ext := path.Ext(name)
		if !slices.Contains([]string{".gz", ".gpg", ".age", ".zst", ".bz2", ".xz"}, ext) {
			return name
		}
		name = strings.TrimSuffix(name, ext)
	}
}

// Overlaps returns the pairs of rules of the configuration that match the same files.
func (s *Survey) Overlaps() []Overlap {
	var all []Overlap
	for pair, n := range s.overlaps {
		all = append(all, Overlap{pair[0], pair[1], n})
	}
	slices.SortFunc(all, func(a, b Overlap) int { return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Second, b.Second)) })
	return all
}
