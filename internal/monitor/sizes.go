package monitor

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/catalog"
)

// sizes holds the stored size of the newest good backup against the policy, and
// those of its files against what is usual.
func (l *look) sizes(v *view) {
	expect, newest := v.policy.Expect, v.newest()
	if newest == nil {
		return
	}
	size := holdfast.Size(newest.size)
	if expect.MinSize > 0 && size < expect.MinSize {
		f := v.finding(holdfast.CheckMinSize, holdfast.Critical, "the newest good backup is only %s", size)
		f.Backup, f.Expected, f.Actual = newest.id, "at least "+expect.MinSize.String(), size.String()
		l.note(f)
	}
	usual := v.history.Before(newest.id.Time())
	l.streams(v, newest, usual)
	all := comparisons(newest, usual)
	if len(all) == 0 {
		return
	}
	// The first is the one that shrank most, the last the one that grew most.
	if small := all[0]; expect.Shrink > 0 && small.ratio() < expect.Shrink {
		f := small.finding(v, newest, holdfast.CheckShrunk, "much smaller", expect.Shrink)
		f.Expected = "at least " + f.Expected
		l.note(f)
	}
	if large := all[len(all)-1]; expect.Grow > 0 && large.ratio() > expect.Grow {
		f := large.finding(v, newest, holdfast.CheckGrown, "much larger", expect.Grow)
		f.Expected = "at most " + f.Expected
		l.note(f)
	}
}

// comparison is a size against the usual one.
type comparison struct {
	name  string // of the file; "" for the whole backup
	size  int64
	usual float64 // above 0
}

func (c comparison) ratio() float64 { return float64(c.size) / c.usual }

// comparisons compares each file that has a usual size, by how it has changed.
// The whole backup is compared where it has a file that has none yet.
func comparisons(newest *kept, usual catalog.Usual) []comparison {
	var all []comparison
	for _, f := range newest.files {
		if u := usual.Files[f.name].Size; u > 0 {
			all = append(all, comparison{f.name, f.size, u})
		}
	}
	if len(all) < len(newest.files) && usual.Size > 0 {
		all = append(all, comparison{"", newest.size, usual.Size})
	}
	slices.SortStableFunc(all, func(a, b comparison) int {
		switch ra, rb := a.ratio(), b.ratio(); {
		case ra < rb:
			return -1
		case ra > rb:
			return 1
		}
		return 0
	})
	return all
}

func (c comparison) finding(v *view, newest *kept, check, how string, limit float64) holdfast.Finding {
	size, usual := holdfast.Size(c.size), holdfast.Size(c.usual)
	f := v.finding(check, holdfast.Warning, "%s is %s, %s than the usual %s", newest.part(c.name), size, how, usual)
	f.Backup, f.Actual = newest.id, fmt.Sprintf("%s, %.2f of it", size, c.ratio())
	f.Expected = fmt.Sprintf("%g of the usual %s", limit, usual)
	f.Hint += "; if this is meant, it becomes usual within days"
	return f
}

// part names a file of the newest good backup, or all of it where that is the same.
func (k *kept) part(name string) string {
	if name == "" || len(k.files) == 1 {
		return "the newest good backup"
	}
	return name + " of the newest good backup"
}

// streams looks for files that the newest good backup should have and has not.
// At first that may be meant, as in a run of a part of the job. It is critical
// once the file is as old as a backup may become.
func (l *look) streams(v *view, newest *kept, usual catalog.Usual) {
	has := map[string]bool{}
	for _, f := range newest.files {
		has[f.name] = true
	}
	expect := v.policy.Expect
	severity, lacking := holdfast.Warning, []string{}
	for _, name := range slices.Sorted(maps.Keys(usual.Files)) {
		if has[name] {
			continue
		}
		u := usual.Files[name]
		stale := u.Expected && !v.retired && !expect.Every.IsZero() && l.at.After(expect.Deadline(u.Newest))
		switch {
		case stale && severity == holdfast.Warning:
			severity, lacking = holdfast.Critical, append([]string{name}, lacking...)
		case stale, u.Constant:
			lacking = append(lacking, name)
		}
	}
	if len(lacking) == 0 {
		return
	}
	name, others := lacking[0], ""
	if n := len(lacking) - 1; n > 0 {
		others = fmt.Sprintf(" and %s", number(n, "other file"))
	}
	f := v.finding(holdfast.CheckStreams, severity, "the newest good backup lacks %s%s", name, others)
	f.Backup, f.Expected = newest.id, "the files of most days before"
	last := usual.Files[name].Newest
	f.Actual = fmt.Sprintf("last in the backup of %s, %s old", minute(last), age(l.at.Sub(last)))
	f.Hint = fmt.Sprintf("see the sources of %s on %s; if this is meant, it becomes usual within days", v.name.Job, v.name.Host)
	l.note(f)
}

// day returns the UTC day of a backup.
func (k *kept) day() string { return k.id.Time().Format(time.DateOnly) }
