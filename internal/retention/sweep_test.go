package retention

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfast-backup/holdfast"
)

func TestSweepRemovesOrphansOnlyWhenAllOfThemAreOld(t *testing.T) {
	v := newVault()
	whole := v.commit("crm", now.Add(-10*time.Hour), 100)
	old := v.orphan("crm", now.Add(-OrphanAge-time.Second), 100)
	v.put(old.Key("files.tar.zst.age"), 50, now.Add(-OrphanAge-time.Second))
	edge := v.orphan("crm", now.Add(-OrphanAge), 100)
	half := v.orphan("crm", now.Add(-90*time.Hour), 100)
	v.put(half.Key("files.tar.zst.age"), 50, now.Add(-time.Hour))
	timeless := v.orphan("crm", now.Add(-91*time.Hour), 100)
	v.put(timeless.Key("crm.sql.zst.age"), 100, time.Time{})
	elsewhere := v.orphan("nobody-asked", now.Add(-200*day), 9)

	s := mustRun(t, v, keepLast(9), Options{})
	want := Swept{Orphans: []holdfast.Ref{old, elsewhere}, Objects: 3, Bytes: 159}
	if diff := cmp.Diff(want, s.Swept); diff != "" {
		t.Errorf("swept (-want +got):\n%s", diff)
	}
	for name, ref := range map[string]holdfast.Ref{"whole": whole, "at the edge": edge, "half young": half, "timeless": timeless} {
		if !v.has(ref.Key("crm.sql.zst.age")) {
			t.Errorf("the data that is %s is gone", name)
		}
	}
	if v.has(old.Key("crm.sql.zst.age")) || v.has(old.Key("files.tar.zst.age")) || v.has(elsewhere.Key("crm.sql.zst.age")) {
		t.Error("the old orphans are still there")
	}
}

func TestSweepNeverTakesDataOfABackupCommittedMeanwhile(t *testing.T) {
	v := newVault()
	v.commit("crm", now.Add(-10*time.Hour), 100)
	slow := v.orphan("crm", now.Add(-60*time.Hour), 100)
	v.onList = func(prefix string) {
		if prefix == slow.Key("") {
			v.put(slow.ManifestKey(), 10, slow.ID.Time()) // as old as its data, so that its age alone saves nothing
		}
	}
	s := mustRun(t, v, keepLast(9), Options{})
	if !v.has(slow.Key("crm.sql.zst.age")) {
		t.Error("the data of a committed backup is gone")
	}
	if len(s.Swept.Orphans) > 0 {
		t.Errorf("swept %v, want nothing", s.Swept.Orphans)
	}
}

func TestSweepTakesWhatAFailedDeletionLeftAfterTwoDays(t *testing.T) {
	v := newVault()
	policies := func(string, string) (holdfast.Keep, holdfast.Expect, bool) {
		return holdfast.Keep{Form: holdfast.Counts, Counts: holdfast.KeepCounts{Last: 2}}, holdfast.Expect{}, true
	}
	for h := range 4 {
		v.commit("crm", now.Add(-time.Duration(h+1)*time.Hour), 100)
	}
	data := holdfast.Ref{Host: "web1", Job: "crm", ID: idAt(now.Add(-4*time.Hour), 0)}.Key("crm.sql.zst.age")
	v.errs[data] = errors.New("connection reset")
	s, err := Run(t.Context(), v, policies, Options{Now: now})
	if err == nil || !strings.Contains(err.Error(), "connection reset") {
		t.Fatalf("got error %v, want the failed deletion", err)
	}
	if len(s.Findings) != 1 || s.Findings[0].Check != holdfast.CheckRetentionDelete {
		t.Errorf("got findings %+v, want one %s", s.Findings, holdfast.CheckRetentionDelete)
	}
	if !v.has(data) || len(v.backups("crm")) != 2 {
		t.Fatalf("got %v, want two backups and an orphan", v.keys())
	}
	v.errs = nil
	if mustRun(t, v, policies, Options{Now: now.Add(OrphanAge - 4*time.Hour)}); !v.has(data) {
		t.Error("the orphan is gone before it is two days old")
	}
	s = mustRun(t, v, policies, Options{Now: now.Add(OrphanAge)})
	if v.has(data) || s.Swept.Bytes != 100 {
		t.Errorf("swept %+v, want the orphan", s.Swept)
	}
	if got := len(v.backups("crm")); got != 2 {
		t.Errorf("left %d backups, want 2", got)
	}
}

func TestSweepLeavesHeldOrphansAndRemovesHoldsOnNothing(t *testing.T) {
	v := newVault()
	v.commit("crm", now.Add(-10*time.Hour), 100)
	held := v.orphan("crm", now.Add(-90*time.Hour), 100)
	v.put(held.HoldKey(), 2, now.Add(-90*time.Hour))
	bare := holdfast.Ref{Host: "web1", Job: "crm", ID: idAt(now.Add(-95*time.Hour), 0)}
	v.put(bare.HoldKey(), 2, now.Add(-90*time.Hour))
	fresh := holdfast.Ref{Host: "web1", Job: "crm", ID: idAt(now.Add(-96*time.Hour), 0)}
	v.put(fresh.HoldKey(), 2, now.Add(-time.Hour))

	s := mustRun(t, v, keepLast(9), Options{})
	if diff := cmp.Diff([]holdfast.Ref{held}, s.Swept.Held); diff != "" {
		t.Errorf("held (-want +got):\n%s", diff)
	}
	if !v.has(held.Key("crm.sql.zst.age")) || !v.has(held.HoldKey()) || !v.has(fresh.HoldKey()) {
		t.Error("a held orphan or a fresh hold is gone")
	}
	if v.has(bare.HoldKey()) {
		t.Error("a hold on nothing is still there")
	}
}

// A store whose clock is behind calls what was begun a moment ago old.
func TestSweepLeavesWhatIsUnderWayWhateverTheStoresClockSays(t *testing.T) {
	wrong := now.Add(-300 * day)
	for name, c := range map[string]struct {
		admitted time.Time
		swept    bool
	}{
		"a moment ago":                  {now, false},
		"two days ago":                  {now.Add(-OrphanAge), false},
		"longer ago":                    {now.Add(-OrphanAge - time.Second), true},
		"tomorrow":                      {now.Add(24 * time.Hour), false},
		"at a time that is far to come": {now.Add(OrphanAge + time.Second), true},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVault()
			ref := holdfast.Ref{Host: "web1", Job: "crm", ID: idAt(c.admitted, 0)}
			v.put(ref.Key("crm.sql.zst.age"), 100, wrong)
			v.uploads = []holdfast.Upload{{Key: ref.Key("media.tar.zst.age"), ID: "u", Started: wrong}}
			var want Swept
			if c.swept {
				want = Swept{Orphans: []holdfast.Ref{ref}, Objects: 1, Bytes: 100, Uploads: v.uploads}
			}
			s := mustRun(t, v, keepLast(9), Options{})
			if diff := cmp.Diff(want, s.Swept); diff != "" {
				t.Errorf("swept (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSweepAbortsOldUploadsOnly(t *testing.T) {
	v := newVault()
	whole := v.commit("crm", now.Add(-60*time.Hour), 100)
	key := holdfast.Ref{Host: "web1", Job: "crm", ID: idAt(now.Add(-90*time.Hour), 1)}.Key("crm.sql.zst.age")
	old := now.Add(-OrphanAge - time.Second)
	v.uploads = []holdfast.Upload{
		{Key: key, ID: "young", Started: now.Add(-OrphanAge)},
		{Key: key, ID: "old", Started: old, Size: 12},
		{Key: key, ID: "timeless"},
		{Key: whole.Key("crm.sql.zst.age"), ID: "of a committed backup", Started: old},
		{Key: "backups/odd", ID: "stray", Started: old},
		{Key: strings.Replace(key, "/crm/", "/locked/", 1), ID: "fails", Started: old},
	}
	v.errs[v.uploads[5].Key] = errors.New("access denied")
	s, err := Run(t.Context(), v, keepLast(9), Options{Now: now})
	if err == nil || !strings.Contains(err.Error(), "access denied") {
		t.Errorf("got error %v, want the upload that could not be aborted", err)
	}
	if diff := cmp.Diff([]holdfast.Upload{v.uploads[1], v.uploads[3]}, s.Swept.Uploads); diff != "" {
		t.Errorf("uploads (-want +got):\n%s", diff)
	}
	if got, want := len(v.aborted), 2; got != want {
		t.Errorf("aborted %v, want the two old ones", v.aborted)
	}
	if !v.has(whole.Key("crm.sql.zst.age")) {
		t.Error("the committed object is gone")
	}
	if diff := cmp.Diff([]string{"backups/odd"}, s.Swept.Stray.Keys); diff != "" {
		t.Errorf("stray (-want +got):\n%s", diff)
	}
}

func TestSweepDeletesOldReports(t *testing.T) {
	v := newVault()
	old := holdfast.ReportKey("web1", "crm", idAt(now.Add(-91*day), 0))
	young := holdfast.ReportKey("web1", "crm", idAt(now.Add(-89*day), 0))
	locked := holdfast.ReportKey("web1", "crm", idAt(now.Add(-99*day), 0))
	v.put(old, 1, now.Add(-ReportAge-time.Second))
	v.put(young, 1, now.Add(-ReportAge))
	v.put(locked, 1, now.Add(-99*day))
	v.put("reports/web1/notes.txt", 7, now.Add(-999*day))
	v.put("state/monitor.json", 7, now.Add(-999*day))
	v.errs[locked] = holdfast.ErrLocked
	s := mustRun(t, v, keepLast(9), Options{})
	want := Swept{Reports: 1, Locked: []string{locked}, Stray: Stray{Count: 1, Bytes: 7, Keys: []string{"reports/web1/notes.txt"}}}
	if diff := cmp.Diff(want, s.Swept); diff != "" {
		t.Errorf("swept (-want +got):\n%s", diff)
	}
	wantKeys := []string{locked, young, "reports/web1/notes.txt", "state/monitor.json"}
	if diff := cmp.Diff(wantKeys, v.keys()); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

func TestSweepLeavesAndReportsWhatItDoesNotKnow(t *testing.T) {
	v := newVault()
	v.commit("crm", now.Add(-10*time.Hour), 100)
	strays := []string{"backups/README", "backups/web1/crm/20260101T000000Z-00000000/a/b", "backups/web1/crm/latest",
		"backups/web1/crm/20260101T000000Z-00000000/.part"}
	for _, key := range strays {
		v.put(key, 10, now.Add(-999*day))
	}
	s := mustRun(t, v, keepLast(9), Options{})
	for _, key := range strays {
		if !v.has(key) {
			t.Errorf("%s is gone", key)
		}
	}
	if s.Swept.Stray.Count != 4 || s.Swept.Stray.Bytes != 40 {
		t.Errorf("got %+v, want 4 objects of 40 bytes", s.Swept.Stray)
	}
	if len(s.Findings) != 1 || s.Findings[0].Check != holdfast.CheckRetentionStray || s.Findings[0].Subject() != "vault" {
		t.Errorf("got findings %+v, want one %s of the vault", s.Findings, holdfast.CheckRetentionStray)
	}
}

// remembering is a vault that keeps what was deleted by name.
type remembering struct {
	*fakeVault
	hidden map[string]bool // by prefix
	err    error
}

func (v remembering) Hidden(_ context.Context, prefix string) (bool, error) {
	return v.hidden[prefix], v.err
}

func TestSweepLeavesDataWhoseManifestSomebodyHid(t *testing.T) {
	v := remembering{newVault(), map[string]bool{}, nil}
	hidden, orphan := v.orphan("crm", now.Add(-9*day), 100), v.orphan("crm", now.Add(-8*day), 100)
	v.hidden[hidden.Key("")] = true
	s := mustRun(t, v, keepLast(9), Options{Now: now})
	if diff := cmp.Diff([]holdfast.Ref{hidden}, s.Swept.Hidden); diff != "" {
		t.Errorf("hidden (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]holdfast.Ref{orphan}, s.Swept.Orphans); diff != "" {
		t.Errorf("orphans (-want +got):\n%s", diff)
	}
	if !v.has(hidden.Key("crm.sql.zst.age")) {
		t.Error("the data is gone that could have been brought back")
	}
	if len(s.Findings) != 1 || s.Findings[0].Check != holdfast.CheckRetentionHidden || s.Findings[0].Severity != holdfast.Critical {
		t.Errorf("findings: %+v, want a critical one", s.Findings)
	}
}

func TestSweepLeavesDataThatItCannotAskAbout(t *testing.T) {
	v := remembering{newVault(), nil, errors.New("access denied")}
	orphan := v.orphan("crm", now.Add(-9*day), 100)
	s, err := Run(t.Context(), v, keepLast(9), Options{Now: now})
	if err == nil || !v.has(orphan.Key("crm.sql.zst.age")) || len(s.Swept.Orphans) > 0 {
		t.Errorf("swept %v without an answer, error %v", s.Swept.Orphans, err)
	}
}
