package retention

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfast-backup/holdfast"
	"pgregory.net/rapid"
)

var zones = []string{"UTC", "Europe/Paris", "America/New_York", "Asia/Kolkata", "Pacific/Apia", "Australia/Lord_Howe"}

func drawKeep(t *rapid.T) holdfast.Keep {
	zone, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
	if err != nil {
		t.Fatal(err)
	}
	keep := holdfast.Keep{
		Form:     rapid.SampledFrom([]holdfast.Form{holdfast.KeepAll, holdfast.Windows, holdfast.Counts}).Draw(t, "form"),
		MinKeep:  rapid.IntRange(1, 5).Draw(t, "min_keep"),
		MaxTotal: holdfast.Size(rapid.SampledFrom([]int{0, 10, 200, 1000}).Draw(t, "max_total")),
		Location: zone,
	}
	n := rapid.IntRange(0, 9)
	span := func(unit holdfast.Unit, name string) holdfast.Span {
		return holdfast.Span{N: n.Draw(t, name), Unit: unit}
	}
	keep.Windows = holdfast.KeepWindows{
		All: span(holdfast.Day, "all"), Daily: span(holdfast.Day, "daily for"), Weekly: span(holdfast.Week, "weekly for"),
		Monthly: span(holdfast.Month, "monthly for"), Yearly: span(holdfast.Year, "yearly for"),
	}
	keep.Counts = holdfast.KeepCounts{
		Last: n.Draw(t, "last"), Hourly: n.Draw(t, "hourly"), Daily: n.Draw(t, "daily"),
		Weekly: n.Draw(t, "weekly"), Monthly: n.Draw(t, "monthly"), Yearly: n.Draw(t, "yearly"),
	}
	return keep
}

// drawBackups returns backups at steps of very different lengths before now,
// some of them held, damaged, uncommitted or after now.
func drawBackups(t *rapid.T) []holdfast.Backup {
	step := rapid.SampledFrom([]time.Duration{0, time.Second, 20 * time.Minute, 7 * time.Hour, day, 9 * day, 100 * day})
	at := now.Add(rapid.SampledFrom([]time.Duration{0, time.Minute, 60 * day}).Draw(t, "newest"))
	backups := make([]holdfast.Backup, rapid.IntRange(0, 60).Draw(t, "backups"))
	for i := range backups {
		b := exampleBackup(idAt(at, uint32(i)), rapid.Int64Range(1, 100).Draw(t, "size"), rapid.IntRange(0, 9).Draw(t, "held") == 0)
		switch rapid.IntRange(0, 19).Draw(t, "kind") {
		case 0:
			b.Committed, b.Manifest = false, holdfast.Object{}
		case 1:
			b.Data[0].Size = 0
		case 2:
			b.Data = nil
		}
		backups[i] = b
		at = at.Add(-step.Draw(t, "step"))
	}
	return backups
}

func TestPlanKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keep, backups := drawKeep(t), drawBackups(t)
		decisions := Plan(keep, backups, now)
		if len(decisions) != len(backups) {
			t.Fatalf("got %d decisions about %d backups", len(decisions), len(backups))
		}
		held := map[holdfast.ID]bool{}
		for _, b := range backups {
			held[b.ID] = b.Held
		}
		good, total, spare := 0, int64(0), false
		for i, d := range decisions {
			if i > 0 && d.ID >= decisions[i-1].ID {
				t.Fatalf("%s after %s: not newest first", d.ID, decisions[i-1].ID)
			}
			if len(d.Reasons) == 0 || slices.Contains(d.Reasons, "") {
				t.Fatalf("%s: no reason given", d.ID)
			}
			if d.Good {
				good++
			}
			switch {
			case d.Keep && d.Good:
				total += d.Size
				spare = spare || good > keep.MinKeep && !held[d.ID]
			case d.Keep:
			case !d.Good:
				t.Fatalf("%s is not good and deleted: %v", d.ID, d.Reasons)
			case held[d.ID]:
				t.Fatalf("%s is held and deleted: %v", d.ID, d.Reasons)
			case good <= keep.MinKeep:
				t.Fatalf("%s is of the newest %d good ones and deleted: %v", d.ID, keep.MinKeep, d.Reasons)
			}
		}
		if keep.MaxTotal > 0 && total > int64(keep.MaxTotal) && spare {
			t.Fatalf("kept %d bytes of at most %d although more could go", total, keep.MaxTotal)
		}
	})
}

func TestPlanDoesNotDependOnTheOrderOfItsInput(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keep, backups := drawKeep(t), drawBackups(t)
		want := Plan(keep, backups, now)
		shuffled := slices.Clone(backups)
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		before := slices.Clone(shuffled)
		if diff := cmp.Diff(want, Plan(keep, shuffled, now)); diff != "" {
			t.Fatalf("shuffled (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(before, shuffled); diff != "" {
			t.Fatalf("Plan changed its input (-before +after):\n%s", diff)
		}
	})
}

// Where another run at the same moment has carried out any part of the plan,
// all of it included, planning again keeps everything that the plan keeps.
func TestPlanningAgainWhileApplyingDeletesNothingMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keep, backups := drawKeep(t), drawBackups(t)
		kept := map[holdfast.ID]bool{}
		for _, d := range Plan(keep, backups, now) {
			kept[d.ID] = d.Keep
		}
		all := rapid.Bool().Draw(t, "all applied")
		left := slices.DeleteFunc(slices.Clone(backups), func(b holdfast.Backup) bool {
			return !kept[b.ID] && (all || rapid.Bool().Draw(t, "applied"))
		})
		for _, d := range Plan(keep, left, now) {
			if kept[d.ID] && !d.Keep {
				t.Fatalf("%s was kept and is deleted now: %v", d.ID, d.Reasons)
			}
		}
	})
}

// Without a cap: under one, more middle-aged backups push out older ones.
func TestLargerCountsKeepNoFewer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keep, backups := drawKeep(t), drawBackups(t)
		keep.Form, keep.MaxTotal = holdfast.Counts, 0
		larger := keep
		more := rapid.IntRange(0, 5)
		c := &larger.Counts
		for _, n := range []*int{&c.Last, &c.Hourly, &c.Daily, &c.Weekly, &c.Monthly, &c.Yearly, &larger.MinKeep} {
			*n += more.Draw(t, "more")
		}
		after := Plan(larger, backups, now)
		for i, d := range Plan(keep, backups, now) {
			if d.Keep && !after[i].Keep {
				t.Fatalf("%s is kept by %+v and not by %+v", d.ID, keep.Counts, larger.Counts)
			}
		}
	})
}
