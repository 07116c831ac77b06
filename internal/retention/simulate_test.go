package retention

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfast-backup/holdfast"
)

func examplePolicy() holdfast.Keep {
	span := func(n int, unit holdfast.Unit) holdfast.Span { return holdfast.Span{N: n, Unit: unit} }
	return holdfast.Keep{Form: holdfast.Windows, MinKeep: 3, Windows: holdfast.KeepWindows{
		All: span(7, holdfast.Day), Daily: span(16, holdfast.Day), Weekly: span(8, holdfast.Week),
		Monthly: span(4, holdfast.Month), Yearly: span(2, holdfast.Year),
	}}
}

// The simulation plans in a way of its own, to be quick; it must come to what
// Plan comes to, backup by backup.
func TestSimulateComesToWhatPlanComesTo(t *testing.T) {
	capped := examplePolicy()
	capped.MaxTotal = 20_000
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	counts := holdfast.Keep{Form: holdfast.Counts, MinKeep: 3, Location: paris,
		Counts: holdfast.KeepCounts{Last: 3, Hourly: 5, Daily: 7, Weekly: 4, Monthly: 6, Yearly: 2}}
	for name, keep := range map[string]holdfast.Keep{"windows": examplePolicy(), "a cap": capped, "counts": counts, "everything": {MaxTotal: 50_000}} {
		t.Run(name, func(t *testing.T) {
			const days, every, size = 100, 11 * time.Hour, 1000
			var backups []holdfast.Backup
			var want Simulation
			for at := now; at.Before(now.Add(days * day)); at = at.Add(every) {
				backups = append(backups, exampleBackup(idAt(at, 0), size, false))
				want.Backups++
				want.Kept = Plan(keep, backups, at)
				backups = nil
				for _, d := range want.Kept {
					if d.Keep {
						backups = append(backups, exampleBackup(d.ID, size, false))
					}
				}
				want.Peak = max(want.Peak, len(backups))
				want.Kept = Plan(keep, backups, at)
			}
			got, err := Simulate(keep, days, every, now, size)
			if err != nil {
				t.Fatal(err)
			}
			want.Total, want.PeakTotal = int64(len(want.Kept))*size, int64(want.Peak)*size
			want.Days = got.Days
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("simulation (-want +got):\n%s", diff)
			}
			if n := len(got.Days); n < days || n > days+1 || got.Days[n-1].Count != len(got.Kept) {
				t.Errorf("got %d days, the last %+v; want %d, and %d backups at the end", n, got.Days[n-1], days, len(got.Kept))
			}
		})
	}
}

func TestSimulateAYearOfNightlyBackups(t *testing.T) {
	got, err := Simulate(examplePolicy(), 400, day, now, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if got.Backups != 400 || len(got.Days) != 400 || got.Days[0] != (SimulatedDay{"2026-03-15", 1, 1000}) {
		t.Errorf("got %d backups in %d days, the first %+v", got.Backups, len(got.Days), got.Days[0])
	}
	if len(got.Kept) < 7+16+8+4 || len(got.Kept) > 7+16+9+5+3 {
		t.Errorf("kept %d, want about one of each period", len(got.Kept))
	}
	for _, d := range got.Kept {
		if !d.Keep || len(d.Reasons) == 0 {
			t.Errorf("%s: kept %v for %v", d.ID, d.Keep, d.Reasons)
		}
	}
}

func TestSimulateHourlyForMoreThanAYear(t *testing.T) {
	for name, keep := range map[string]holdfast.Keep{"windows": examplePolicy(), "everything": {}} {
		got, err := Simulate(keep, 400, time.Hour, now, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if got.Backups != 9600 {
			t.Errorf("%s: made %d backups, want 9600", name, got.Backups)
		}
	}
}

func TestSimulateSaysWhatItCannotDo(t *testing.T) {
	for _, c := range []struct {
		name  string
		days  int
		every time.Duration
		size  int64
		want  string
	}{
		{"no day", 0, day, 1, "at least one day"},
		{"no pause", 1, 0, 1, "at least one day"},
		{"no size", 1, day, 0, "at least one day"},
		{"too many", 400, time.Second, 1, "more than"},
		{"past the calendar", 4_000_000, 400 * day, 1, "more than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Simulate(examplePolicy(), c.days, c.every, now, c.size)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error that says %q", err, c.want)
			}
		})
	}
}

func BenchmarkSimulateHourlyFor400Days(b *testing.B) {
	for b.Loop() {
		if _, err := Simulate(examplePolicy(), 400, time.Hour, now, 1000); err != nil {
			b.Fatal(err)
		}
	}
}
