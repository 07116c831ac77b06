// Package pattern reads the time out of the names that other programs give their
// backups. It knows how a few of them do it, and patterns of one's own. It looks
// at names alone: what lies under one is not its business.
package pattern

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// What Match says of a name that a pattern does not stand for.
var (
	// ErrNoMatch: it looks different.
	ErrNoMatch = errors.New("does not match")
	// ErrNoTime: it matches, but there is no such day or time of day.
	ErrNoTime = errors.New("bears no possible time")
	// ErrAmbiguous: it can be read as more than one time.
	ErrAmbiguous = errors.New("can be read as more than one time")
)

// The patterns that have names.
const (
	// Spatie is spatie/laravel-backup: Y-m-d-H-i-s.zip in a folder named after the app.
	Spatie = "spatie"
	// DBBackup is django-dbbackup, as it names files by itself:
	// [database-][server-]YYYY-MM-DD-HHMMSS.ext, with .gz and .gpg after it or not.
	DBBackup = "dbbackup"
	// Stamp is name_YYYYMMDD_HHMMSS and an ending, as many scripts write it: .sql, .dump
	// or .tar and then .gz, .bz2, .xz or .zst; or .tgz or .zip; with .gpg or .age after
	// it or not. What is not compressed is half of something as often as not.
	Stamp = "stamp"
)

// Known returns the names of the known patterns, in the order in which to try
// them: the strictest first.
func Known() []string { return []string{Spatie, Stamp, DBBackup} }

// known returns what a name stands for: each matches the last part of a path, in
// whatever folder. Where there are several, any of them.
func known(name string) (sequences []string, ok bool) {
	switch name {
	case Spatie:
		return []string{"{year}-{month}-{day}-{hour}-{minute}-{second}.zip"}, true
	case Stamp:
		return stamps(), true
	case DBBackup:
		return []string{"{year}-{month}-{day}-{hour}{minute}{second}.*", "*-{year}-{month}-{day}-{hour}{minute}{second}.*"}, true
	}
	return nil, false
}

// stamps returns what Stamp stands for, one for each ending.
func stamps() []string {
	endings := []string{".tgz", ".zip"}
	for _, kind := range []string{".sql", ".dump", ".tar"} {
		for _, compressed := range []string{".gz", ".bz2", ".xz", ".zst"} {
			endings = append(endings, kind+compressed)
		}
	}
	var all []string
	for _, ending := range endings {
		for _, encrypted := range []string{"", ".gpg", ".age"} {
			all = append(all, "*_{year}{month}{day}_{hour}{minute}{second}"+ending+encrypted)
		}
	}
	return all
}

// Pattern is a pattern of names. The zero Pattern matches nothing.
type Pattern struct {
	text      string
	anywhere  bool // matches the last part of a path
	sequences [][]element
}

// element is one part of a pattern: a literal text, a *, or a field.
type element struct {
	literal string
	star    bool
	field   int // index into fields; -1 for none
}

// fields are what a time is made of, with how many digits each has.
var fields = []struct {
	name   string
	digits int
}{{"year", 4}, {"month", 2}, {"day", 2}, {"hour", 2}, {"minute", 2}, {"second", 2}}

const (
	year = iota
	month
	day
	hour
	minute
	second
)

// maxPattern is how long a pattern may be, in bytes; maxStars how many * it may have.
const (
	maxPattern = 500
	maxStars   = 4
)

// Parse returns the pattern of that name, or the one that the text spells out:
// {year}, {month}, {day}, {hour}, {minute} and {second} stand for their digits, *
// for anything within a folder, also for nothing, and all else for itself. Such a
// pattern matches whole paths, not parts of them. A time of day that it does not
// have is midnight's.
func Parse(text string) (Pattern, error) {
	p := Pattern{text: text}
	sequences, isKnown := known(text)
	if p.anywhere = isKnown; !isKnown {
		sequences = []string{text}
	}
	for _, s := range sequences {
		elements, err := parse(s)
		if err != nil {
			return Pattern{}, fmt.Errorf("pattern %q: %w", text, err)
		}
		p.sequences = append(p.sequences, elements)
	}
	return p, nil
}

func parse(text string) ([]element, error) {
	switch {
	case !strings.Contains(text, "{"):
		return nil, fmt.Errorf("want %s, or a pattern of your own with {year}, {month} and {day}", strings.Join(Known(), ", "))
	case len(text) > maxPattern:
		return nil, fmt.Errorf("is longer than %d bytes", maxPattern)
	case strings.HasPrefix(text, "/") || strings.HasSuffix(text, "/") || strings.Contains(text, "//"):
		return nil, errors.New("want names between slashes, with none at the ends")
	case strings.Contains(text, "**"):
		return nil, errors.New("has ** in it; * stands for anything within one folder")
	case strings.Count(text, "*") > maxStars:
		return nil, fmt.Errorf("has more than %d *", maxStars)
	}
	var elements []element
	has := make([]bool, len(fields))
	for rest := text; rest != ""; {
		switch rest[0] {
		case '*':
			elements, rest = append(elements, element{star: true, field: -1}), rest[1:]
		case '{':
			name, after, closed := strings.Cut(rest[1:], "}")
			i := fieldNamed(name)
			if !closed || i < 0 {
				return nil, fmt.Errorf("unknown {%s}; there are {year}, {month}, {day}, {hour}, {minute}, {second}", name)
			}
			has[i] = true
			elements, rest = append(elements, element{field: i}), after
		default:
			end := strings.IndexAny(rest, "*{")
			if end < 0 {
				end = len(rest)
			}
			if strings.Contains(rest[:end], "}") {
				return nil, errors.New("has a } without its {")
			}
			elements, rest = append(elements, element{literal: rest[:end], field: -1}), rest[end:]
		}
	}
	return elements, complete(has)
}

func fieldNamed(name string) int {
	for i, f := range fields {
		if f.name == name {
			return i
		}
	}
	return -1
}

// complete returns an error where a field is missing without which another means
// nothing.
func complete(has []bool) error {
	for i, f := range fields {
		needed := i <= day || slices.Contains(has[i:], true)
		if needed && !has[i] {
			return fmt.Errorf("has no {%s}", f.name)
		}
	}
	return nil
}

// String returns the pattern as it was written.
func (p Pattern) String() string { return p.text }

// Prefix returns what every path that matches begins with.
func (p Pattern) Prefix() string {
	if p.anywhere || len(p.sequences) == 0 {
		return ""
	}
	return p.sequences[0][0].literal
}
