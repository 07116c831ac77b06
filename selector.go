package holdfast

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Latest is the Selector.At of the newest good backup.
const Latest = "latest"

// Selector says in a word which backup is meant:
//
//	crm                       the newest good backup of crm
//	web1/crm@latest           the same, where several hosts have a crm
//	crm@2025-10-28            the newest good one of that UTC day
//	crm@2025-10-28T14:00      the newest good one up to the end of that UTC minute
//	crm@2025-10-28T14:00:05Z  the newest good one up to that second
//	crm@20251028T140000Z-9f3c2a7d   exactly this one
type Selector struct {
	Host string // "" is whichever host has the job
	Job  string
	At   string // Latest, a day, a time or an ID
}

const (
	dayForm    = "2006-01-02"
	minuteForm = "2006-01-02T15:04"
	secondForm = "2006-01-02T15:04:05"
)

// ParseSelector returns the selector s names.
func ParseSelector(s string) (Selector, error) {
	name, at, timed := strings.Cut(s, "@")
	host, job, both := strings.Cut(name, "/")
	if !both {
		host, job = "", name
	}
	bad := func(err error) (Selector, error) { return Selector{}, fmt.Errorf("backup %q: %w", s, err) }
	if both {
		if err := CheckName("host", host); err != nil {
			return bad(err)
		}
	}
	if err := CheckName("job", job); err != nil {
		return bad(err)
	}
	if !timed {
		at = Latest
	}
	sel := Selector{host, job, at}
	if _, err := sel.window(); err != nil {
		return bad(err)
	}
	return sel, nil
}

// String returns what ParseSelector reads as s.
func (s Selector) String() string {
	name := s.Job
	if s.Host != "" {
		name = s.Host + "/" + s.Job
	}
	return name + "@" + s.At
}

// Match reports whether b is of the job that is meant, whatever its time.
func (s Selector) Match(b Backup) bool {
	return b.Job == s.Job && (s.Host == "" || b.Host == s.Host)
}

// window is which backups At admits: exactly id, or those from the first second
// up to, not including, the second.
type window struct {
	id         ID
	from, upTo time.Time // zero: unbounded
}

func (w window) admits(b Backup) bool {
	if w.id != "" {
		return b.ID == w.id
	}
	t := b.Time()
	return !t.Before(w.from) && (w.upTo.IsZero() || t.Before(w.upTo))
}

func (s Selector) window() (window, error) {
	if s.At == Latest {
		return window{}, nil
	}
	if id, err := ParseID(s.At); err == nil {
		return window{id: id}, nil
	}
	at := strings.TrimSuffix(s.At, "Z")
	// time.Parse alone would take 4:00 for 04:00, and fractions of a second.
	is := func(form string) (time.Time, bool) {
		t, err := time.Parse(form, at)
		return t, err == nil && len(at) == len(form)
	}
	if t, ok := is(minuteForm); ok {
		return window{upTo: t.Add(time.Minute)}, nil
	}
	if t, ok := is(secondForm); ok {
		return window{upTo: t.Add(time.Second)}, nil
	}
	if t, ok := is(dayForm); ok && at == s.At {
		return window{from: t, upTo: t.AddDate(0, 0, 1)}, nil
	}
	return window{}, fmt.Errorf("%q is not latest, a day (2025-10-28), a UTC time (2025-10-28T14:00) or a backup's id", s.At)
}

// Pick returns the backup that is meant, of backups in any order. By id it finds
// every committed one, otherwise only good ones. Its error wraps ErrNotExist
// where there is none, and names what there is instead; that several hosts have
// the job is an error too.
func (s Selector) Pick(backups []Backup, now time.Time) (Backup, error) {
	w, err := s.window()
	if err != nil {
		return Backup{}, fmt.Errorf("backup %q: %w", s, err)
	}
	var ofJob, candidates []Backup
	hosts := map[string]bool{}
	for _, b := range backups {
		if !s.Match(b) {
			continue
		}
		ofJob = append(ofJob, b)
		if w.admits(b) && (b.Good(now) || w.id != "" && b.Committed) {
			candidates = append(candidates, b)
			hosts[b.Host] = true
		}
	}
	if len(hosts) > 1 {
		return Backup{}, fmt.Errorf("backup %q: several hosts have it: %s", s, choices(s.onHosts(hosts)))
	}
	if len(candidates) == 0 {
		return Backup{}, fmt.Errorf("backup %q: %w; %s", s, ErrNotExist, s.instead(w, ofJob, backups, now))
	}
	return slices.MaxFunc(candidates, byID), nil
}

// byID orders backups by their ids, which is by time.
func byID(a, b Backup) int { return strings.Compare(string(a.ID), string(b.ID)) }

func (s Selector) onHosts(hosts map[string]bool) []string {
	var on []string
	for host := range hosts {
		on = append(on, Selector{host, s.Job, s.At}.String())
	}
	return on
}

// instead says what there is where nothing was found: other jobs, or the
// backups of this one that come nearest.
func (s Selector) instead(w window, ofJob, all []Backup, now time.Time) string {
	if len(ofJob) == 0 {
		var names []string
		for _, b := range all {
			names = append(names, b.Host+"/"+b.Job)
		}
		if len(names) == 0 {
			return "there are no backups at all"
		}
		return "there are backups of " + choices(names)
	}
	var good []Backup
	for _, b := range ofJob {
		if w.id != "" && b.ID == w.id {
			return "it was begun and never finished"
		}
		if b.Good(now) {
			good = append(good, b)
		}
	}
	if len(good) == 0 {
		return fmt.Sprintf("%d are there, and none of them is a finished good one", len(ofJob))
	}
	slices.SortFunc(good, byID)
	at := w.upTo
	if w.id != "" {
		at = w.id.Time()
	}
	after := slices.IndexFunc(good, func(b Backup) bool { return !b.Time().Before(at) })
	switch {
	case after < 0:
		return "the newest before is " + good[len(good)-1].Ref.String()
	case after == 0:
		return "the oldest is " + good[0].Ref.String()
	}
	return "the nearest are " + good[after-1].Ref.String() + " and " + good[after].Ref.String()
}

// choices lists names once each, in order, and not more of them than one reads.
func choices(names []string) string {
	const most = 8
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
