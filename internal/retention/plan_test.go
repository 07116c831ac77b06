package retention

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfast-backup/holdfast"
)

func TestPlanGivesTheFieldsReasons(t *testing.T) {
	const mb = 1_000_000
	at := func(s string) time.Time {
		tm, err := time.Parse("2006-01-02 15:04", s)
		if err != nil {
			t.Fatal(err)
		}
		return tm
	}
	good := func(s string) holdfast.Backup { return exampleBackup(idAt(at(s), 0), mb, false) }
	held := func(s string) holdfast.Backup { return exampleBackup(idAt(at(s), 0), mb, true) }
	uncommitted := good("2026-03-15 03:00")
	uncommitted.Committed = false
	empty := good("2026-03-15 04:00")
	empty.Data[0].Size = 0
	windows := holdfast.Keep{Form: holdfast.Windows, Windows: holdfast.KeepWindows{
		All: holdfast.Span{N: 7, Unit: holdfast.Day}, Daily: holdfast.Span{N: 16, Unit: holdfast.Day},
		Weekly: holdfast.Span{N: 8, Unit: holdfast.Week}, Monthly: holdfast.Span{N: 4, Unit: holdfast.Month},
		Yearly: holdfast.Span{N: 2, Unit: holdfast.Year},
	}}
	counts := holdfast.Keep{Form: holdfast.Counts, Counts: holdfast.KeepCounts{Last: 1, Hourly: 1, Daily: 2, Weekly: 9}}

	for _, c := range []struct {
		name    string
		keep    holdfast.Keep
		backups []holdfast.Backup
		want    [][]string // newest first; "-" before what is deleted
	}{
		{"each window names its period", windows,
			[]holdfast.Backup{good("2026-03-15 02:00"), good("2026-03-01 02:00"), good("2026-03-01 01:00"),
				good("2026-01-02 02:00"), good("2025-10-02 02:00"), good("2024-01-02 02:00")},
			[][]string{{"all 7d", "newest 1 good backups stay"}, {"daily 2026-03-01"}, {"-", "no rule keeps it"},
				{"weekly 2026-W01"}, {"monthly 2025-10"}, {"yearly 2024"}}},
		{"each count names its period, and the oldest of an unfilled one", counts,
			[]holdfast.Backup{good("2026-03-15 02:00"), good("2026-03-15 01:00"), good("2026-03-14 02:00"), good("2026-03-13 02:00")},
			[][]string{{"last 1", "hourly 2026-03-15 02h", "daily 2026-03-15", "weekly 2026-W11", "newest 1 good backups stay"},
				{"-", "no rule keeps it"}, {"daily 2026-03-14"}, {"oldest, weekly not filled"}}},
		{"what is not good takes no slot and is not deleted", holdfast.Keep{Form: holdfast.Counts, Counts: holdfast.KeepCounts{Last: 1}},
			[]holdfast.Backup{good("2030-01-01 00:00"), empty, uncommitted, good("2026-03-15 02:00"), good("2026-03-14 02:00")},
			[][]string{{"future-dated"}, {"data missing or empty"}, {"not committed"},
				{"last 1", "newest 1 good backups stay"}, {"-", "no rule keeps it"}}},
		{"the cap takes the oldest that is neither held nor of the newest", holdfast.Keep{MinKeep: 2, MaxTotal: 2 * mb},
			[]holdfast.Backup{good("2026-03-15 02:00"), good("2026-03-14 02:00"), good("2026-03-13 02:00"), held("2026-03-12 02:00")},
			[][]string{{"everything is kept", "newest 2 good backups stay"}, {"everything is kept", "newest 2 good backups stay"},
				{"-", "over max_total 2MB"}, {"held", "everything is kept"}}},
		{"what a future-dated backup occupies pushes nothing out", holdfast.Keep{MaxTotal: 2 * mb},
			[]holdfast.Backup{good("2030-01-01 00:00"), good("2026-03-15 02:00"), good("2026-03-14 02:00")},
			[][]string{{"future-dated"}, {"everything is kept", "newest 1 good backups stay"}, {"everything is kept"}}},
		{"a form this code does not know deletes nothing", holdfast.Keep{Form: "moons"},
			[]holdfast.Backup{good("2026-03-15 02:00"), good("2001-03-14 02:00")},
			[][]string{{"everything is kept", "newest 1 good backups stay"}, {"everything is kept"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got [][]string
			for _, d := range Plan(c.keep, c.backups, now) {
				if d.Keep {
					got = append(got, d.Reasons)
				} else {
					got = append(got, append([]string{"-"}, d.Reasons...))
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("reasons (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPlanBoundaries(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	span := func(n int, unit holdfast.Unit) holdfast.Span { return holdfast.Span{N: n, Unit: unit} }
	for _, c := range []struct {
		name  string
		keep  holdfast.Keep
		now   string
		times []string // newest first
		want  []bool
	}{
		{"a window holds its newer bound and not its older one",
			holdfast.Keep{Form: holdfast.Windows, Windows: holdfast.KeepWindows{All: span(2, holdfast.Day)}},
			"2026-03-15T00:00:00Z",
			[]string{"2026-03-15T00:00:00Z", "2026-03-14T00:00:00Z", "2026-03-13T00:00:00Z"}, []bool{true, true, false}},
		{"a backup on the bound takes the slot of the coarser window",
			holdfast.Keep{Form: holdfast.Windows, Windows: holdfast.KeepWindows{All: span(1, holdfast.Day), Daily: span(1, holdfast.Day)}},
			"2026-03-15T12:00:00Z",
			[]string{"2026-03-15T11:00:00Z", "2026-03-14T12:00:00Z", "2026-03-14T11:00:00Z"}, []bool{true, true, false}},
		{"a month before 31 March is 28 February",
			holdfast.Keep{Form: holdfast.Windows, Windows: holdfast.KeepWindows{Monthly: span(1, holdfast.Month)}},
			"2026-03-31T12:00:00Z",
			[]string{"2026-03-31T02:00:00Z", "2026-02-28T12:00:01Z", "2026-02-28T12:00:00Z"}, []bool{true, true, false}},
		{"the week of new year is one week",
			holdfast.Keep{Form: holdfast.Counts, Counts: holdfast.KeepCounts{Weekly: 2}},
			"2026-01-05T12:00:00Z",
			[]string{"2026-01-05T02:00:00Z", "2026-01-02T02:00:00Z", "2025-12-30T02:00:00Z"}, []bool{true, true, false}},
		{"the hour that the end of summer time repeats is two hours",
			holdfast.Keep{Form: holdfast.Counts, Counts: holdfast.KeepCounts{Hourly: 2}, Location: paris},
			"2026-10-25T12:00:00Z",
			[]string{"2026-10-25T01:30:00Z", "2026-10-25T00:30:00Z", "2026-10-24T23:30:00Z"}, []bool{true, true, false}},
		{"a day of Paris begins before that of UTC",
			holdfast.Keep{Form: holdfast.Counts, Counts: holdfast.KeepCounts{Daily: 2}, Location: paris},
			"2026-03-15T12:00:00Z",
			[]string{"2026-03-14T23:30:00Z", "2026-03-14T22:30:00Z", "2026-03-14T21:30:00Z"}, []bool{true, true, false}},
		{"a clock a minute behind the broker's does not disown the newest backup",
			holdfast.Keep{Form: holdfast.Counts, Counts: holdfast.KeepCounts{Last: 1}},
			"2026-03-15T00:00:00Z",
			[]string{"2026-03-15T00:01:00Z", "2026-03-14T00:00:00Z"}, []bool{true, false}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var backups []holdfast.Backup
			for _, s := range c.times {
				backups = append(backups, exampleBackup(idAt(parse(t, s), 0), 1, false))
			}
			var got []bool
			for _, d := range Plan(c.keep, backups, parse(t, c.now)) {
				got = append(got, d.Keep)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("kept (-want +got):\n%s", diff)
			}
		})
	}
}

func parse(t *testing.T, s string) time.Time {
	t.Helper()
	tm, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return tm
}
