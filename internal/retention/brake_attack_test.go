package retention

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
)

const mb = 1_000_000

// life is a job over time, retention running on it.
type life struct {
	keep    holdfast.Keep
	expect  holdfast.Expect
	now     time.Time
	backups []holdfast.Backup
	fake    map[holdfast.ID]bool // pushed by a thief
	serial  uint32
	// hostNamed: nobody vouches for the times.
	hostNamed bool
}

func newLife(keep holdfast.Keep, every holdfast.Span) *life {
	grace := holdfast.Span{N: max(every.N/12, 1), Unit: every.Unit}
	return &life{keep: keep, now: now, fake: map[holdfast.ID]bool{},
		expect: holdfast.Expect{Every: every, Grace: grace, Shrink: 0.5, Grow: 3}}
}

// push adds a backup of these files and sizes: "crm.sql.zst.age", 250*mb, ….
func (l *life) push(at time.Time, files ...any) holdfast.ID {
	l.serial++
	ref := holdfast.Ref{Host: "web1", Job: "crm", ID: idAt(at, l.serial)}
	b := holdfast.Backup{Ref: ref, Committed: true, Manifest: holdfast.Object{Key: ref.ManifestKey(), Size: 3000}}
	for i := 0; i < len(files); i += 2 {
		b.Data = append(b.Data, holdfast.Object{Key: ref.Key(files[i].(string)), Size: int64(files[i+1].(int))})
	}
	l.backups = append(l.backups, b)
	return ref.ID
}

func (l *life) dump(at time.Time, size int) holdfast.ID { return l.push(at, "crm.sql.zst.age", size) }

// nightly makes n backups of a size, the newest 9 hours ago.
func (l *life) nightly(n, size int) {
	for d := n - 1; d >= 0; d-- {
		l.dump(l.now.Add(-9*time.Hour-time.Duration(d)*day), size)
	}
}

// thin runs retention.
func (l *life) thin() *holdfast.Finding {
	decisions := Plan(l.keep, l.backups, l.now)
	for i := range decisions {
		decisions[i].HostNamed = l.hostNamed
	}
	if f := Brake(decisions, l.keep, l.expect, l.now); f != nil {
		return f
	}
	gone := map[holdfast.ID]bool{}
	for _, d := range decisions {
		gone[d.ID] = !d.Keep
	}
	var left []holdfast.Backup
	for _, b := range l.backups {
		if !gone[b.ID] {
			left = append(left, b)
		}
	}
	l.backups = left
	return nil
}

func (l *life) real() (n int) {
	for _, b := range l.backups {
		if !l.fake[b.ID] {
			n++
		}
	}
	return n
}

func span(n int, unit holdfast.Unit) holdfast.Span { return holdfast.Span{N: n, Unit: unit} }

// capped is the policy of the example configuration.
var capped = holdfast.Keep{Form: holdfast.Windows, MinKeep: 3, MaxTotal: 5e9, Windows: holdfast.KeepWindows{
	All: span(7, "d"), Daily: span(16, "d"), Weekly: span(8, "w"), Monthly: span(4, "mo"), Yearly: span(2, "y")}}

func last(n int) holdfast.Keep {
	return holdfast.Keep{Form: holdfast.Counts, MinKeep: 3, Counts: holdfast.KeepCounts{Last: n}}
}

// Within a day, whatever a thief with the host's key pushes before each of the
// hourly runs, at least half of what was there stays, and he who goes on is noticed.
func TestAStolenHostCannotDriveItsBackupsOut(t *testing.T) {
	for _, c := range []struct {
		name    string
		keep    holdfast.Keep
		real    int
		attack  func(l *life, hour int) // what is pushed before the run
		summary string
	}{
		{"huge backups, each as large as makes half of the rest go", capped, 18, func(l *life, hour int) {
			total := 0
			for _, b := range l.backups {
				total += int(b.Size())
			}
			l.dump(l.now, 5e9-total+250*mb*((len(l.backups)+1)/2)-200*mb)
		}, "anomalously large"},
		{"one huge backup, followed by small ones", capped, 18, func(l *life, hour int) {
			if l.dump(l.now.Add(-time.Minute), 250*mb); hour == 0 {
				l.dump(l.now.Add(-time.Hour), 2500*mb)
			}
		}, "anomalously large"},
		{"many that are almost too large", capped, 18, func(l *life, hour int) { l.dump(l.now, 740*mb) }, "would have arrived lately"},
		{"a few that are almost too large, slowly", capped, 18, func(l *life, hour int) {
			if hour%4 == 0 {
				l.dump(l.now, 740*mb)
			}
		}, "would have arrived lately"},
		{"many of the usual size", capped, 18, func(l *life, hour int) { l.dump(l.now, 250*mb) }, "that arrived lately"},
		{"nine an hour against the last ten", last(10), 10, func(l *life, hour int) {
			for i := range 9 {
				l.dump(l.now.Add(-time.Duration(i)*time.Minute), 260*mb)
			}
		}, "that arrived lately"},
		{"one an hour against the last ten", last(10), 10, func(l *life, hour int) { l.dump(l.now, 260*mb) }, "6 of the 10 left"},
		{"one an hour against the last hours that have one", holdfast.Keep{Form: holdfast.Counts, MinKeep: 3, Counts: holdfast.KeepCounts{Hourly: 10}}, 10,
			func(l *life, hour int) { l.dump(l.now, 260*mb) }, "6 of the 10 left"},
		{"one an hour against the last thirty", last(30), 30, func(l *life, hour int) { l.dump(l.now, 260*mb) }, "that arrived lately"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLife(c.keep, span(24, "h"))
			l.nightly(c.real, 250*mb)
			said := ""
			for hour := range 14 { // until the next genuine one
				before := len(l.backups)
				c.attack(l, hour)
				for _, b := range l.backups[before:] {
					l.fake[b.ID] = true
				}
				if f := l.thin(); f != nil && said == "" {
					said = f.Summary
				}
				l.now = l.now.Add(time.Hour)
			}
			if 2*l.real() < c.real || !strings.Contains(said, c.summary) {
				t.Errorf("%d of %d real backups are left, and retention says %q, want at least half and %q", l.real(), c.real, said, c.summary)
			}
		})
	}
}

// Who waits after a huge backup until it is not the newest any more waits for a week.
func TestAHugeBackupIsInTheWayForAWeek(t *testing.T) {
	l := newLife(capped, span(24, "h"))
	l.nightly(18, 250*mb)
	l.dump(l.now, 2500*mb)
	for d := range largeDays {
		for hour := range 4 {
			l.dump(l.now.Add(time.Duration(hour)*time.Hour+time.Minute), 250*mb)
		}
		l.now = l.now.Add(4 * time.Hour)
		if f := l.thin(); f == nil || !strings.Contains(f.Summary, "anomalously large") {
			t.Fatalf("day %d: got %v", d, f)
		}
		l.now = l.now.Add(20 * time.Hour)
	}
}

func TestAFloodDoesNotHideThatMostGoes(t *testing.T) {
	l := newLife(holdfast.Keep{Form: holdfast.Windows, MinKeep: 3, Windows: holdfast.KeepWindows{All: span(3, "d")}}, span(24, "h"))
	l.nightly(10, 250*mb)
	for i := range 20 {
		l.dump(l.now.Add(-time.Duration(i)*time.Minute), 250*mb)
	}
	if f := l.thin(); f == nil || !strings.Contains(f.Summary, "7 of 30") {
		t.Errorf("got %v, want seven of ten old ones refused", f)
	}
}

func TestAnEmptyDatabaseBesideLargeFilesBrakes(t *testing.T) {
	pair := func(l *life, ago time.Duration, db int) {
		l.push(l.now.Add(-ago), "crm.sql.zst.age", db, "media.tar.zst.age", 4000*mb)
	}
	keep := last(10)
	for _, c := range []struct {
		name   string
		newest func(l *life)
		want   string
	}{
		{"the database is empty", func(l *life) { pair(l, 0, 900) }, "anomalously small"},
		{"the database is there", func(l *life) { pair(l, 0, 20*mb) }, ""},
		{"the database lacks for longer than it may", func(l *life) {
			l.push(l.now, "media.tar.zst.age", 4000*mb)
			l.now = l.now.Add(3 * time.Hour)
		}, "lack crm.sql"},
		{"a run of a part by hand", func(l *life) { pair(l, time.Hour, 20*mb); l.push(l.now, "media.tar.zst.age", 4000*mb) }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLife(keep, span(24, "h"))
			for d := range 10 {
				pair(l, time.Duration(10-d)*day+9*time.Hour, 20*mb)
			}
			l.now = l.now.Add(-9 * time.Hour)
			c.newest(l)
			got := ""
			if f := l.thin(); f != nil {
				got = f.Summary
			}
			if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// What happens in healthy jobs must never meet the brake: each history makes the
// backups of each hour, and retention runs after it and every six hours.
func TestBrakeNeverStopsHealthyHistories(t *testing.T) {
	policies := map[string]holdfast.Keep{
		"capped windows":          capped,
		"windows":                 {Form: holdfast.Windows, MinKeep: 3, Windows: capped.Windows},
		"the last ten":            last(10),
		"a union of counts":       {Form: holdfast.Counts, MinKeep: 3, Counts: holdfast.KeepCounts{Last: 10, Daily: 7, Weekly: 4, Monthly: 6, Yearly: 2}},
		"a union with hours":      {Form: holdfast.Counts, MinKeep: 3, MaxTotal: 5e9, Counts: holdfast.KeepCounts{Hourly: 48, Daily: 14, Weekly: 8}},
		"a cap alone":             {MinKeep: 3, MaxTotal: 5e9},
		"all of one week, capped": {Form: holdfast.Windows, MinKeep: 3, MaxTotal: 4e9, Windows: holdfast.KeepWindows{All: span(7, "d")}},
	}
	histories := map[string]struct {
		every holdfast.Span
		days  int
		make  func(l *life, d int, hour int)
	}{
		"one a night": {span(24, "h"), 60, func(l *life, d, hour int) {
			if hour == 2 {
				l.dump(l.now, 250*mb)
			}
		}},
		"one a night, an hour early or late": {span(24, "h"), 60, func(l *life, d, hour int) {
			if hour == 2+d%3 {
				l.dump(l.now, 250*mb)
			}
		}},
		"one a night and up to four by hand": {span(24, "h"), 60, func(l *life, d, hour int) {
			if hour == 2 || hour > 8 && hour <= 8+2*(d%5) && hour%2 == 0 {
				l.dump(l.now, 250*mb)
			}
		}},
		"one an hour": {span(1, "h"), 10, func(l *life, d, hour int) { l.dump(l.now, 25*mb) }},
		"one an hour, which outgrows the cap in a day": {span(1, "h"), 10, func(l *life, d, hour int) { l.dump(l.now, 250*mb) }},
		"one every six hours": {span(6, "h"), 30, func(l *life, d, hour int) {
			if hour%6 == 1 {
				l.dump(l.now, 100*mb)
			}
		}},
		"one a week": {span(7, "d"), 350, func(l *life, d, hour int) {
			if d%7 == 3 && hour == 2 {
				l.dump(l.now, 250*mb)
			}
		}},
		"a tenth more every month": {span(24, "h"), 120, func(l *life, d, hour int) {
			if hour == 2 {
				size := 100.0 * mb
				for range d / 30 {
					size *= 1.1
				}
				l.dump(l.now, int(size*(1+float64(d%30)/300)))
			}
		}},
		"sizes that go up and down by half": {span(24, "h"), 60, func(l *life, d, hour int) {
			if hour == 2 {
				l.dump(l.now, (200+100*(d%2))*mb)
			}
		}},
		"parts on schedules of their own": {span(24, "h"), 60, func(l *life, d, hour int) {
			switch hour {
			case 2:
				l.push(l.now, "crm.sql.zst.age", 5*mb)
			case 3:
				l.push(l.now, "media.tar.zst.age", 200*mb)
			}
		}},
	}
	for policy, keep := range policies {
		for history, h := range histories {
			t.Run(fmt.Sprintf("%s, %s", policy, history), func(t *testing.T) {
				l, deleted, made := newLife(keep, h.every), 0, 0
				for d := range h.days {
					for hour := range 24 {
						before := len(l.backups)
						h.make(l, d, hour)
						made += len(l.backups) - before
						if len(l.backups) == before && hour%6 > 0 {
							l.now = l.now.Add(time.Hour)
							continue
						}
						l.now = l.now.Add(20 * time.Minute)
						before = len(l.backups)
						if f := l.thin(); f != nil {
							t.Fatalf("day %d, hour %d, %d backups: %s (%s, want %s)", d, hour, len(l.backups), f.Summary, f.Actual, f.Expected)
						}
						deleted += before - len(l.backups)
						l.now = l.now.Add(40 * time.Minute)
					}
				}
				if deleted == 0 || deleted == made {
					t.Errorf("%d of %d backups were deleted: the history proves nothing", deleted, made)
				}
			})
		}
	}
}

func TestBrakeLetsTheFirstRunAfterALongOutagePass(t *testing.T) {
	for _, keep := range []holdfast.Keep{last(10), capped, {MinKeep: 3, MaxTotal: 5e9}} {
		l := newLife(keep, span(24, "h"))
		l.nightly(19, 250*mb)
		l.thin()
		l.now = l.now.Add(10 * day)
		l.dump(l.now, 250*mb)
		if f := l.thin(); f != nil {
			t.Errorf("%v: %s", keep, f.Summary)
		}
	}
}
