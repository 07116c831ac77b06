package retention

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
)

func TestBrake(t *testing.T) {
	expect := holdfast.Expect{
		Every: holdfast.Span{N: 24, Unit: holdfast.Hour}, Grace: holdfast.Span{N: 2, Unit: holdfast.Hour},
		MinSize: 100, Shrink: 0.5,
	}
	// job returns n nightly decisions, of which the oldest are deleted, with
	// the given sizes of the newest ones and 1000 bytes for the others.
	job := func(n, deletions int, sizes ...int64) []Decision {
		decisions := make([]Decision, n)
		for i := range decisions {
			at, size := now.Add(-10*time.Hour-time.Duration(i)*day), int64(1000)
			if i < len(sizes) {
				size = sizes[i]
			}
			ref := holdfast.Ref{Host: "web1", Job: "crm", ID: idAt(at, 0)}
			decisions[i] = Decision{
				Ref: ref, Time: at, Good: true, DataSize: size, Size: 1_000_000, Keep: i < n-deletions,
				Data: []holdfast.Object{{Key: ref.Key("crm.sql.zst.age"), Size: size}},
			}
		}
		return decisions
	}
	future := Decision{Ref: holdfast.Ref{Host: "web1", Job: "crm", ID: idAt(now.Add(99*day), 0)}, Time: now.Add(99 * day), Keep: true}
	for _, c := range []struct {
		name      string
		decisions []Decision
		expect    holdfast.Expect
		now       time.Time
		want      string // part of the summary; "" for no brake
		cause     string // the check by which the monitor tells why
	}{
		{"nightly steady state of a chained policy passes", job(47, 1), expect, now, "", ""},
		{"half of the backups passes", job(6, 3), expect, now, "", ""},
		{"one of two, the steady state of last: 1, passes", job(2, 1), expect, now, "", ""},
		{"more than half is refused", job(7, 4), expect, now, "4 of 7", ""},
		{"two of three is refused: a small job is not spared", job(3, 2), expect, now, "2 of 3", ""},
		{"what is not good does not make half of it more", append([]Decision{future, future, future}, job(3, 2)...), expect, now, "2 of 3", ""},
		{"at the deadline the newest is fresh", job(10, 1), expect, now.Add(16 * time.Hour), "", ""},
		{"a second later it is stale", job(10, 1), expect, now.Add(16*time.Hour + time.Second), "stale", holdfast.CheckFresh},
		{"a future-dated backup makes no job fresh", append([]Decision{future}, job(10, 1)...), expect, now.Add(17 * time.Hour), "stale", holdfast.CheckFresh},
		{"a stale job that loses nothing passes", job(10, 0), expect, now.Add(99 * day), "", ""},
		{"without an expectation nothing is stale or small", job(10, 1, 1), holdfast.Expect{}, now.Add(99 * day), "", ""},
		{"a newest below the minimum is refused", job(10, 1, 99), holdfast.Expect{MinSize: 100}, now, "small", holdfast.CheckMinSize},
		{"two before the newest say nothing of its size", job(3, 1, 1), holdfast.Expect{Shrink: 0.5}, now, "", ""},
		{"a newest of half the median passes", job(10, 1, 500), expect, now, "", ""},
		{"a newest below half the median is refused", job(10, 1, 499), expect, now, "small", holdfast.CheckShrunk},
		{"the median leaves one outlier out", job(10, 1, 600, 900_000), expect, now, "", ""},
		{"older than fifteen before the newest does not count", job(40, 1, append([]int64{200}, repeat(15, 300)...)...), expect, now, "", ""},
		{"a smaller database passes once the median is its own", job(20, 1, repeat(9, 400)...), expect, now, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := Brake(c.decisions, holdfast.Keep{}, c.expect, c.now)
			if c.want == "" {
				if f != nil {
					t.Fatalf("got %q, want no brake", f.Summary)
				}
				return
			}
			if f == nil {
				t.Fatalf("got no brake, want one saying %q", c.want)
			}
			if !strings.Contains(f.Summary, c.want) {
				t.Errorf("got %q, want it to say %q", f.Summary, c.want)
			}
			if f.Check != holdfast.CheckRetentionBrake || f.Subject() != "web1/crm" || f.Expected == "" || f.Actual == "" {
				t.Errorf("got %+v, want check, subject, expected and actual", *f)
			}
			if f.Cause != c.cause {
				t.Errorf("got cause %q, want %q", f.Cause, c.cause)
			}
			if !strings.Contains(f.Hint, "--force") || !strings.Contains(f.Hint, "--dry-run") {
				t.Errorf("got hint %q, want it to say how to look and how to force", f.Hint)
			}
		})
	}
}

func repeat(n int, size int64) []int64 {
	sizes := make([]int64, n)
	for i := range sizes {
		sizes[i] = size
	}
	return sizes
}

// A policy that runs every day must never meet the brake, at any age of the job.
func TestBrakeNeverStopsAPolicyInSteadyState(t *testing.T) {
	expect := holdfast.Expect{Every: holdfast.Span{N: 1, Unit: holdfast.Day}, Grace: holdfast.Span{N: 2, Unit: holdfast.Hour}, Shrink: 0.5, Grow: 3}
	span := func(n int, unit holdfast.Unit) holdfast.Span { return holdfast.Span{N: n, Unit: unit} }
	for name, keep := range map[string]holdfast.Keep{
		"windows": {Form: holdfast.Windows, MinKeep: 3, Windows: holdfast.KeepWindows{All: span(7, "d"), Daily: span(16, "d"),
			Weekly: span(8, "w"), Monthly: span(4, "mo"), Yearly: span(2, "y")}},
		"one week":   {Form: holdfast.Windows, MinKeep: 3, Windows: holdfast.KeepWindows{All: span(7, "d")}},
		"last one":   {Form: holdfast.Counts, MinKeep: 1, Counts: holdfast.KeepCounts{Last: 1}},
		"counts":     {Form: holdfast.Counts, MinKeep: 3, Counts: holdfast.KeepCounts{Last: 10, Daily: 7, Weekly: 4, Monthly: 6, Yearly: 2}},
		"small cap":  {MinKeep: 3, MaxTotal: 4000},
		"tiny cap":   {MinKeep: 1, MaxTotal: 1},
		"only years": {Form: holdfast.Windows, MinKeep: 3, Windows: holdfast.KeepWindows{Yearly: span(2, "y")}},
	} {
		t.Run(name, func(t *testing.T) {
			var backups []holdfast.Backup
			at := now
			for range 1200 {
				at = at.Add(day)
				backups = append(backups, exampleBackup(idAt(at, 0), 1000, false))
				decisions := Plan(keep, backups, at.Add(time.Hour))
				if f := Brake(decisions, keep, expect, at.Add(time.Hour)); f != nil {
					t.Fatalf("at %s: %s", at, f.Summary)
				}
				gone := map[holdfast.ID]bool{}
				for _, d := range decisions {
					gone[d.ID] = !d.Keep
				}
				left := backups[:0]
				for _, b := range backups {
					if !gone[b.ID] {
						left = append(left, b)
					}
				}
				backups = left
			}
		})
	}
}
