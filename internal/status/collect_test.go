package status

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/catalog"
	"github.com/holdfast-backup/holdfast/internal/retention"
)

// collected observes one job and returns it.
func collected(t *testing.T, p holdfast.Policy, j catalog.Job) Job {
	t.Helper()
	c := NewCollector("main", always(p), noon)
	c.Observe(j)
	v := c.Vault(Facts{At: noon, Reachable: true, Whole: true, Jobs: []JobFacts{{JobName: holdfast.JobName{Host: j.Host, Job: j.Name}, Count: len(j.Backups)}}})
	if len(v.Jobs) != 1 {
		t.Fatalf("got %d jobs, want 1", len(v.Jobs))
	}
	return v.Jobs[0]
}

func TestEachBackupSaysWhyItIsKept(t *testing.T) {
	observed := job(crm, 20, day, steady(mb))
	observed.Backups[5].Held = true
	observed.Backups[6].Committed = false
	got := collected(t, nightly(), observed)
	if len(got.Backups) != 19 {
		t.Fatalf("got %d backups, want the 19 good ones", len(got.Backups))
	}
	for i, want := range map[int][]string{
		18: {"all 7d", "newest 3"}, 15: {"all 7d"}, 13: {"held", "all 7d"}, 11: {"daily"}, 0: {"daily"},
	} {
		if diff := cmp.Diff(want, got.Backups[i].Kept); diff != "" {
			t.Errorf("backup %d, of %s (-want +got):\n%s", i, got.Backups[i].ID, diff)
		}
	}
	if !slices.IsSortedFunc(got.Backups, func(a, b Backup) int { return strings.Compare(string(a.ID), string(b.ID)) }) {
		t.Error("the backups do not come oldest first")
	}
}

func TestReasonsAreShort(t *testing.T) {
	for reason, want := range map[string]string{
		"daily 2026-03-01": "daily", "hourly 2026-03-15 02h": "hourly", "all 7d": "all 7d", "last 10": "last 10", "held": "held",
		"newest 3 good backups stay": "newest 3", "oldest, weekly not filled": "oldest", "everything is kept": "all",
	} {
		if got := shortReason(reason); got != want {
			t.Errorf("%q: got %q, want %q", reason, got, want)
		}
	}
}

func TestASizeIsOddBesideThoseBeforeIt(t *testing.T) {
	got := collected(t, nightly(), job(crm, 30, day, func(i int) int64 {
		switch i {
		case 3:
			return 40 * mb
		case 10:
			return 350 * mb
		case 28:
			return mb // nothing was usual yet
		}
		return 100 * mb
	}))
	var odd []int
	for i, b := range got.Backups {
		if b.Odd {
			odd = append(odd, 29-i)
		}
	}
	if diff := cmp.Diff([]int{10, 3}, odd); diff != "" {
		t.Errorf("odd ones, by how many came after them (-want +got):\n%s", diff)
	}
	if got.Backups[2].Median != 0 || got.Backups[29].Median != 100*mb {
		t.Errorf("medians: got %d of the third and %d of the newest, want 0 and 100 MB", got.Backups[2].Median, got.Backups[29].Median)
	}
}

func TestAnAbsurdDurationIsNone(t *testing.T) {
	for took, want := range map[time.Duration]int64{90 * time.Second: 90, -time.Second: 0, 8 * day: 0} {
		j := job(crm, 1, day, steady(mb))
		j.Backups[0].Manifest.ModTime = j.Backups[0].Time().Add(took)
		if got := collected(t, nightly(), j).Backups[0].Seconds; got != want {
			t.Errorf("%s: got %d s, want %d", took, got, want)
		}
	}
}

func TestOfManyBackupsTheNewestAndSomeOlderOnesAreShown(t *testing.T) {
	p := nightly()
	p.Keep = holdfast.Keep{}
	got := collected(t, p, job(crm, 5000, time.Hour, steady(mb)))
	if len(got.Backups) != 200 || got.Count != 5000 {
		t.Fatalf("got %d of %d backups, want 200 of 5000", len(got.Backups), got.Count)
	}
	if newest := got.Backups[199].ID; newest != idAt(noon.Add(-10*time.Hour)) {
		t.Errorf("the newest is %s", newest)
	}
	if oldest := got.Backups[0].ID; oldest != idAt(noon.Add(-10*time.Hour-4999*time.Hour)) {
		t.Errorf("the oldest is %s", oldest)
	}
	for i := 81; i < 200; i++ {
		if gap := got.Backups[i].ID.Time().Sub(got.Backups[i-1].ID.Time()); gap != time.Hour {
			t.Fatalf("between the newest ones there is a gap of %s", gap)
		}
	}
}

// What is foretold must be what comes: a plan of each day, with the backups that
// arrived until then, deletes the very same ones.
func TestTheNextDeletionsAreThoseOfTheNextDays(t *testing.T) {
	counts := nightly()
	counts.Keep = holdfast.Keep{Form: holdfast.Counts, MinKeep: 2, Counts: holdfast.KeepCounts{Last: 3, Daily: 7, Weekly: 3}}
	capped := nightly()
	capped.Keep = holdfast.Keep{MinKeep: 2, MaxTotal: 12 * (mb + 1000)}
	hourly := nightly()
	hourly.Expect.Every = holdfast.Span{N: 6, Unit: holdfast.Hour}
	for _, c := range []struct {
		name   string
		policy holdfast.Policy
		every  time.Duration
	}{{"windows", nightly(), day}, {"counts", counts, day}, {"a cap", capped, day}, {"several a day", hourly, 6 * time.Hour}} {
		t.Run(c.name, func(t *testing.T) {
			vault := job(crm, 60, c.every, steady(mb)).Backups
			var want []Deletion
			clean := func(at time.Time) {
				decisions := retention.Plan(c.policy.Keep, vault, at)
				left := []holdfast.Backup{}
				for i := len(decisions) - 1; i >= 0; i-- {
					if d := decisions[i]; !d.Keep && d.Time.Before(noon) {
						want = append(want, Deletion{d.ID, at})
					}
				}
				for i, d := range decisions {
					if d.Keep {
						left = append(left, vault[i])
					}
				}
				vault = left
			}
			clean(noon.Add(-day))
			want = nil
			got := collected(t, c.policy, catalog.Job{Host: "web1", Name: "crm", Backups: vault}).Next
			clean(noon)
			next := vault[0].Time().Add(c.every)
			for d := range 8 {
				at := noon.AddDate(0, 0, d+1)
				for ; !next.After(at); next = next.Add(c.every) {
					vault = append([]holdfast.Backup{backup(crm, next, mb)}, vault...)
				}
				clean(at)
			}
			if len(want) == 0 || len(got) == 0 {
				t.Fatalf("nothing is deleted: got %v, want %v", got, want)
			}
			if diff := cmp.Diff(want[:min(5, len(want))], got); diff != "" {
				t.Errorf("next deletions (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatIsKeptForEverIsNeverForetold(t *testing.T) {
	p := nightly()
	p.Keep = holdfast.Keep{}
	if got := collected(t, p, job(crm, 60, day, steady(mb))).Next; len(got) > 0 {
		t.Errorf("got %v, want no deletions", got)
	}
}

func TestStrangersAreLeftOut(t *testing.T) {
	c := NewCollector("main", func(host, _ string) (holdfast.Policy, bool) { return nightly(), host == "web1" }, noon)
	c.Observe(job(holdfast.JobName{Host: "web9", Job: "crm"}, 3, day, steady(mb)))
	c.Observe(catalog.Job{Stray: []holdfast.Object{{Key: "backups/x", Size: 1}}})
	if len(c.jobs) > 0 {
		t.Errorf("got %v, want nothing", c.jobs)
	}
}

func TestAThousandJobsAreCollectedInASecondOrSo(t *testing.T) {
	start := time.Now()
	s := crowd(1000, 50)
	took := time.Since(start)
	t.Logf("1,000 jobs of 50 backups: %s", took.Round(time.Millisecond))
	if len(s.Vaults[0].Jobs) != 1000 || took > 10*time.Second { // far more than it takes: the machine may be busy
		t.Errorf("%d jobs in %s", len(s.Vaults[0].Jobs), took)
	}
}

func BenchmarkCollect(b *testing.B) {
	for b.Loop() {
		crowd(1000, 50)
	}
}
