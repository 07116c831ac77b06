package retention

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfast-backup/holdfast"
)

func TestRunThinsOutEveryJobAndIsDone(t *testing.T) {
	v := newVault()
	v.nightly("crm", 12)
	v.nightly("media", 3)
	s := mustRun(t, v, keepLast(9), Options{})
	if got := len(v.backups("crm")); got != 9 {
		t.Errorf("left %d backups of crm, want 9", got)
	}
	want := []JobResult{
		{Host: "web1", Job: "crm", Good: 12, Kept: 9, KeptBytes: 9 * 1010},
		{Host: "web1", Job: "media", Good: 3, Kept: 3, KeptBytes: 3 * 1010},
	}
	got := slices.Clone(s.Jobs)
	if len(got) == 2 && (len(got[0].Delete) != 3 || len(got[0].Outcome.Deleted) != 3 || got[0].Outcome.Bytes != 3*1010) {
		t.Errorf("got %+v, want 3 deletions of 3030 bytes", got[0])
	}
	for i := range got {
		got[i].Delete, got[i].Outcome = nil, Outcome{}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("jobs (-want +got):\n%s", diff)
	}
	before := v.keys()
	again := mustRun(t, v, keepLast(9), Options{})
	if diff := cmp.Diff(before, v.keys()); diff != "" {
		t.Errorf("a second run changed something:\n%s", diff)
	}
	if len(again.Findings) > 0 || len(again.Jobs[0].Delete) > 0 {
		t.Errorf("second run: got %+v, want nothing to do", again)
	}
}

func TestRunBrakedTouchesNothingOfTheJob(t *testing.T) {
	for _, c := range []struct {
		name    string
		prepare func(*fakeVault) (keep int)
		now     time.Time
	}{
		{"more than half", func(*fakeVault) int { return 5 }, now},
		{"stale", func(*fakeVault) int { return 11 }, now.Add(9 * day)},
		{"small", func(v *fakeVault) int {
			v.commit("crm", now.Add(-time.Hour), 1)
			return 12
		}, now},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := newVault()
			v.nightly("crm", 12)
			keep := c.prepare(v)
			orphan := v.orphan("crm", now.Add(-50*day), 5)
			v.uploads = []holdfast.Upload{{Key: orphan.Key("crm.sql.zst.age"), ID: "u", Started: now.Add(-50 * day)}}
			v.put(holdfast.ReportKey("web1", "crm", idAt(now.Add(-200*day), 0)), 1, now.Add(-200*day))
			before := v.keys()

			s := mustRun(t, v, keepLast(keep), Options{Now: c.now})
			if diff := cmp.Diff(before, v.keys()); diff != "" {
				t.Errorf("a braked run changed the vault:\n%s", diff)
			}
			if len(v.aborted) > 0 {
				t.Error("a braked run aborted an upload")
			}
			if len(s.Findings) != 1 || s.Findings[0].Check != holdfast.CheckRetentionBrake || !s.Jobs[0].Braked {
				t.Fatalf("got findings %+v, want one %s", s.Findings, holdfast.CheckRetentionBrake)
			}
			if got, want := s.Jobs[0].Kept, len(v.backups("crm")); got != want {
				t.Errorf("kept %d, want %d", got, want)
			}

			s = mustRun(t, v, keepLast(keep), Options{Now: c.now, Force: true})
			if got := len(v.backups("crm")); got != keep {
				t.Errorf("forced: left %d backups, want %d", got, keep)
			}
			if len(s.Findings) > 0 || s.Jobs[0].Braked || len(s.Swept.Orphans) != 1 || len(v.aborted) != 1 || s.Swept.Reports != 1 {
				t.Errorf("forced: got %+v, want no finding and everything swept", s)
			}
		})
	}
}

func TestRunKeepsTheNewestOfADeadJobByItsStaleness(t *testing.T) {
	v := newVault()
	v.nightly("crm", 20)
	policies := func(string, string) (holdfast.Keep, holdfast.Expect, bool) {
		return holdfast.Keep{Form: holdfast.Windows, MinKeep: 3, Windows: holdfast.KeepWindows{All: holdfast.Span{N: 7, Unit: holdfast.Day}}},
			holdfast.Expect{Every: holdfast.Span{N: 1, Unit: holdfast.Day}}, true
	}
	for _, age := range []time.Duration{2 * day, 9 * day, 999 * day} {
		mustRun(t, v, policies, Options{Now: now.Add(age)})
		if got := len(v.backups("crm")); got != 20 {
			t.Fatalf("after %v: left %d backups, want all 20", age, got)
		}
	}
}

func TestRunInADryRunSaysWhatWouldGoAndTouchesNothing(t *testing.T) {
	v := newVault()
	refs := v.nightly("crm", 12)
	orphan := v.orphan("crm", now.Add(-50*day), 5)
	v.uploads = []holdfast.Upload{{Key: orphan.Key("files.tar.zst.age"), ID: "u", Started: now.Add(-50 * day)}}
	v.put(holdfast.ReportKey("web1", "crm", idAt(now.Add(-200*day), 0)), 1, now.Add(-200*day))
	planned := 0
	s := mustRun(t, v, keepLast(9), Options{DryRun: true, Planned: func(_, _ string, d []Decision) { planned += len(d) }})
	if len(v.deleted) > 0 || len(v.aborted) > 0 {
		t.Errorf("deleted %v and aborted %v in a dry run", v.deleted, v.aborted)
	}
	var ids []holdfast.Ref
	for _, d := range s.Jobs[0].Delete {
		ids = append(ids, d.Ref)
	}
	if diff := cmp.Diff(refs[9:], ids); diff != "" {
		t.Errorf("would delete (-want +got):\n%s", diff)
	}
	if len(s.Swept.Orphans) != 1 || s.Swept.Bytes != 5 || len(s.Swept.Uploads) != 1 || s.Swept.Reports != 1 {
		t.Errorf("would sweep %+v, want an orphan of 5 bytes, an upload and a report", s.Swept)
	}
	if planned != 13 {
		t.Errorf("Planned saw %d decisions, want 13", planned)
	}
}

func TestRunWithoutAPolicyKeepsEverything(t *testing.T) {
	v := newVault()
	v.nightly("crm", 12)
	nobody := func(string, string) (holdfast.Keep, holdfast.Expect, bool) {
		return holdfast.Keep{Form: holdfast.Counts, MinKeep: 1}, holdfast.Expect{}, false
	}
	s := mustRun(t, v, nobody, Options{KeepLast: 1, Force: true})
	if got := len(v.backups("crm")); got != 12 {
		t.Errorf("left %d backups, want all 12", got)
	}
	if len(s.Findings) != 1 || s.Findings[0].Check != holdfast.CheckRetentionPolicy || s.Findings[0].Severity != holdfast.Warning {
		t.Errorf("got findings %+v, want one %s", s.Findings, holdfast.CheckRetentionPolicy)
	}
}

func TestRunKeepLastTakesThePlaceOfTheRulesAndNotOfTheFloor(t *testing.T) {
	for keep, want := range map[int]int{5: 5, 1: 3} {
		v := newVault()
		v.nightly("crm", 9)
		mustRun(t, v, keepLast(9), Options{KeepLast: keep, Force: true})
		if got := len(v.backups("crm")); got != want {
			t.Errorf("--keep %d: left %d backups, want %d", keep, got, want)
		}
	}
}

func TestRunOnlyTouchesTheJobsItIsAskedTo(t *testing.T) {
	v := newVault()
	v.nightly("crm", 12)
	v.nightly("media", 12)
	stale := v.orphan("media", now.Add(-50*day), 5)
	v.uploads = []holdfast.Upload{{Key: stale.Key("x.age"), ID: "u", Started: now.Add(-50 * day)}}
	v.put(holdfast.ReportKey("web1", "media", idAt(now.Add(-200*day), 0)), 1, now.Add(-200*day))
	s := mustRun(t, v, keepLast(9), Options{Only: func(_, job string) bool { return job == "crm" }})
	for _, key := range v.deleted {
		if !strings.HasPrefix(key, holdfast.JobPrefix("web1", "crm")) {
			t.Errorf("deleted %s", key)
		}
	}
	if len(s.Jobs) != 1 || len(v.backups("crm")) != 9 || len(v.aborted) > 0 {
		t.Errorf("got %d jobs, %d backups and aborted %v", len(s.Jobs), len(v.backups("crm")), v.aborted)
	}
}

func TestRunLeavesFutureDatedAndHeldBackups(t *testing.T) {
	v := newVault()
	refs := v.nightly("crm", 12)
	future := v.commit("crm", now.Add(999*day), 1)
	v.hold(refs[11])
	mustRun(t, v, keepLast(9), Options{})
	want := []holdfast.ID{refs[11].ID}
	for i := 8; i >= 0; i-- {
		want = append(want, refs[i].ID)
	}
	want = append(want, future.ID)
	if diff := cmp.Diff(want, v.backups("crm")); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

func TestRunGoesOnWithOtherJobsAfterAFailure(t *testing.T) {
	v := newVault()
	refs := v.nightly("crm", 12)
	v.nightly("media", 12)
	v.errs[refs[11].ManifestKey()] = errors.New("access denied")
	s, err := Run(t.Context(), v, keepLast(9), Options{Now: now})
	if err == nil || !strings.Contains(err.Error(), "access denied") {
		t.Errorf("got error %v, want the failed deletion", err)
	}
	if got := len(v.backups("media")); got != 9 {
		t.Errorf("left %d backups of media, want 9", got)
	}
	if len(s.Findings) != 1 || s.Findings[0].Check != holdfast.CheckRetentionDelete || s.Findings[0].Subject() != "web1/crm" {
		t.Errorf("got findings %+v, want one %s of web1/crm", s.Findings, holdfast.CheckRetentionDelete)
	}
}

func TestRunDoesNotTakeHalfAListingForAWholeOne(t *testing.T) {
	v := newVault()
	v.nightly("crm", 12)
	v.listErr = errors.New("connection reset")
	_, err := Run(t.Context(), v, keepLast(9), Options{Now: now})
	if !errors.Is(err, v.listErr) {
		t.Errorf("got error %v, want %v", err, v.listErr)
	}
	if len(v.deleted) > 0 {
		t.Errorf("deleted %v on half a listing", v.deleted)
	}
}

func TestRunStopsWhenItsTimeIsUpAndGoesOnInTheNext(t *testing.T) {
	v := newVault()
	for _, job := range []string{"a", "b", "c"} {
		v.nightly(job, 12)
	}
	ctx, cancel := context.WithCancel(t.Context())
	v.onDel = func(key string) {
		if strings.Contains(key, "/b/") {
			cancel()
		}
	}
	s, err := Run(ctx, v, keepLast(9), Options{Now: now, Concurrency: 1})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got error %v, want %v", err, context.Canceled)
	}
	if len(s.Findings) > 0 {
		t.Errorf("got findings %+v about a run out of time", s.Findings)
	}
	if len(s.Jobs) == 0 || len(v.backups("a")) != 9 || len(v.backups("c")) != 12 {
		t.Errorf("left %d of a and %d of c, want 9 and 12", len(v.backups("a")), len(v.backups("c")))
	}
	v.onDel = nil
	mustRun(t, v, keepLast(9), Options{})
	for _, job := range []string{"a", "b", "c"} {
		if got := len(v.backups(job)); got != 9 {
			t.Errorf("left %d backups of %s, want 9", got, job)
		}
	}
}

func TestRunRefusesToGuessTheTime(t *testing.T) {
	if _, err := Run(t.Context(), newVault(), keepLast(9), Options{}); err == nil {
		t.Error("got no error without a time")
	}
}

func TestSummaryIsReadableByScripts(t *testing.T) {
	v := newVault()
	v.nightly("crm", 4)
	out, err := json.Marshal(mustRun(t, v, keepLast(3), Options{DryRun: true}))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"dry_run":true`, `"findings":[]`, `"host":"web1","job":"crm","good":4,"kept":3`,
		`"delete":[{"host":"web1","job":"crm","id":"2026`, `"reasons":["no rule keeps it"]`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("got %s, want it to contain %s", out, want)
		}
	}
}
