package pattern

import (
	"path"
	"strings"
	"time"
)

// Reading is what a pattern has read in a path.
type Reading struct {
	values [6]int // as fields has them
	// Before and After are what stands around the time in the last part of the path;
	// where there is none of it in there, Before is all of it.
	Before, After string
}

// Name returns the last part of the path without the time in it, so that it stays
// the same from one backup to the next: "crm.sql.gz" for
// crm_20251028_020000.sql.gz. Empty where nothing is left.
func (r Reading) Name() string {
	before, after := r.Before, r.After
	if after != "" {
		before = strings.TrimRight(before, "-_. ")
	}
	if before == "" {
		after = strings.TrimLeft(after, "-_ ")
	}
	return before + after
}

// Time returns the time that was read, as clocks show it in the zone, in UTC. Of an
// hour that clocks show twice it is the first time; one that they leave out is
// counted on from before, so 02:30 is half an hour after 02:00 also where that is
// 03:30.
func (r Reading) Time(zone *time.Location) time.Time {
	wall := r.wall()
	_, before := wall.Add(-day24).In(zone).Zone()
	_, after := wall.Add(day24).In(zone).Zone()
	first := wall.Add(-time.Duration(before) * time.Second)
	if before == after {
		return first
	}
	second := wall.Add(-time.Duration(after) * time.Second)
	shows := func(t time.Time) bool {
		_, offset := t.In(zone).Zone()
		return t.Add(time.Duration(offset) * time.Second).Equal(wall)
	}
	switch {
	case shows(first) && (!shows(second) || first.Before(second)):
		return first
	case shows(second):
		return second
	}
	return first // left out
}

const day24 = 24 * time.Hour

// wall returns the time as if it were UTC.
func (r Reading) wall() time.Time {
	v := r.values
	return time.Date(v[year], time.Month(v[month]), v[day], v[hour], v[minute], v[second], 0, time.UTC)
}

// possible reports whether there is such a day and time of day. What is older
// than computers' time is a number that happens to look like a year.
func (r Reading) possible() bool {
	v, t := r.values, r.wall()
	return v[year] >= 1970 && t.Year() == v[year] && int(t.Month()) == v[month] && t.Day() == v[day] &&
		v[hour] < 24 && v[minute] < 60 && v[second] < 60
}

// Match reads the path of a file, whose parts are separated by slashes. The error
// is ErrNoMatch, ErrNoTime or ErrAmbiguous. A path with two readings of which one
// alone is a possible time is read as that.
func (p Pattern) Match(file string) (Reading, error) {
	text, offset := file, 0
	if p.anywhere {
		text = path.Base(file)
	} else {
		offset = strings.LastIndexByte(file, '/') + 1
	}
	m := matcher{text: text, base: offset}
	for _, elements := range p.sequences {
		// Most endings are other ones: not worth a try at every place of the text.
		if last := elements[len(elements)-1]; !strings.HasSuffix(text, last.literal) {
			continue
		}
		m.elements, m.from, m.to = elements, -1, -1
		m.at(0, 0)
	}
	switch {
	case m.several || m.steps > maxSteps:
		return Reading{}, ErrAmbiguous
	case m.found:
		return m.reading, nil
	case m.read:
		return Reading{}, ErrNoTime
	}
	return Reading{}, ErrNoMatch
}

// maxSteps bounds the work on one name, which anybody may have chosen. Names as
// people have them take a few hundred.
const maxSteps = 50_000

// matcher tries all ways to read a text.
type matcher struct {
	text     string
	base     int // where its last part begins
	elements []element

	values   [6]int
	has      [6]bool
	from, to int // the fields within the last part, -1 for none
	steps    int

	read, found, several bool
	reading              Reading
}

// at matches the elements from i on with the text from pos on.
func (m *matcher) at(i, pos int) {
	if m.steps++; m.steps > maxSteps || m.several {
		return
	}
	if i == len(m.elements) {
		if pos == len(m.text) {
			m.end()
		}
		return
	}
	switch e := m.elements[i]; {
	case e.star:
		for end := pos; ; end++ {
			m.at(i+1, end)
			if end == len(m.text) || m.text[end] == '/' {
				return
			}
		}
	case e.field >= 0:
		m.field(i, pos, e.field)
	case strings.HasPrefix(m.text[pos:], e.literal):
		m.at(i+1, pos+len(e.literal))
	}
}

func (m *matcher) field(i, pos, f int) {
	n := fields[f].digits
	value, ok := number(m.text[pos:], n)
	if !ok || m.has[f] && m.values[f] != value {
		return // a field that occurs twice, as in 2025/10/crm-2025-10-28.sql, has to agree
	}
	before := *m
	m.values[f], m.has[f] = value, true
	if pos >= m.base {
		if m.from < 0 {
			m.from = pos
		}
		m.to = pos + n
	}
	m.at(i+1, pos+n)
	m.values, m.has, m.from, m.to = before.values, before.has, before.from, before.to
}

// number returns the number of the first n characters, if they are all digits.
func number(s string, n int) (value int, ok bool) {
	if len(s) < n {
		return 0, false
	}
	for _, c := range []byte(s[:n]) {
		if c < '0' || c > '9' {
			return 0, false
		}
		value = 10*value + int(c-'0')
	}
	return value, true
}

// end takes in a reading of the whole text.
func (m *matcher) end() {
	m.read = true
	s := Reading{values: m.values}
	switch {
	case !s.possible():
	case m.found:
		m.several = m.reading.values != s.values
	default:
		s.Before, s.After = m.text[m.base:], ""
		if m.from >= 0 {
			s.Before, s.After = m.text[m.base:m.from], m.text[m.to:]
		}
		m.reading, m.found = s, true
	}
}
