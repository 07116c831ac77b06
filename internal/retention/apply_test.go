package retention

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/catalog"
)

// doom returns the job and decisions that give up all but its newest keep backups.
func doom(t *testing.T, v *fakeVault, name string, keep int) (catalog.Job, []Decision) {
	t.Helper()
	job, err := catalog.Find(t.Context(), v, "web1", name)
	if err != nil {
		t.Fatal(err)
	}
	rule := holdfast.Keep{Form: holdfast.Counts, Counts: holdfast.KeepCounts{Last: keep}}
	return job, Plan(rule, job.Backups, now)
}

func TestApplyDeletesManifestsFirstAndDataAfter(t *testing.T) {
	eachWay(t, func(t *testing.T, v *fakeVault, vault Vault) {
		refs := v.nightly("crm", 100)
		for _, ref := range refs {
			v.put(ref.Key("files.tar.zst.age"), 500, ref.ID.Time())
		}
		other := v.commit("crm-2", now.Add(-300*day), 1)
		job, decisions := doom(t, v, "crm", 4)
		v.onDel = func(key string) {
			ref, file, _ := holdfast.ParseKey(key)
			if file != holdfast.ManifestFile && v.has(ref.ManifestKey()) {
				t.Errorf("%s is deleted while its manifest is there", key)
			}
		}
		out, err := Apply(t.Context(), vault, job, decisions, 4)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := v.backups("crm"), []holdfast.ID{refs[3].ID, refs[2].ID, refs[1].ID, refs[0].ID}; !cmp.Equal(got, want) {
			t.Errorf("left %v, want %v", got, want)
		}
		if !v.has(other.ManifestKey()) {
			t.Error("a backup of another job is gone")
		}
		if got, want := len(v.keys()), 4*3+2; got != want {
			t.Errorf("left %d objects, want %d", got, want)
		}
		if len(out.Deleted) != 96 || out.Bytes != 96*1510 || out.Deleted[0] != refs[99] {
			t.Errorf("got %d backups and %d bytes, the first %v; want 96, %d and %v",
				len(out.Deleted), out.Bytes, out.Deleted[0], 96*1510, refs[99])
		}
	})
}

func TestApplyLeavesWhatIsHeldSinceThePlan(t *testing.T) {
	eachWay(t, func(t *testing.T, v *fakeVault, vault Vault) {
		refs := v.nightly("crm", 6)
		job, decisions := doom(t, v, "crm", 3)
		v.hold(refs[4])
		out, err := Apply(t.Context(), vault, job, decisions, 2)
		if err != nil {
			t.Fatal(err)
		}
		if !v.has(refs[4].ManifestKey()) || !v.has(refs[4].Key("crm.sql.zst.age")) {
			t.Error("the held backup is no longer whole")
		}
		if diff := cmp.Diff([]holdfast.Ref{refs[4]}, out.Held); diff != "" {
			t.Errorf("held (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]holdfast.Ref{refs[5], refs[3]}, out.Deleted); diff != "" {
			t.Errorf("deleted (-want +got):\n%s", diff)
		}
	})
}

func TestApplySkipsWhatIsLockedWithNothingBroken(t *testing.T) {
	eachWay(t, func(t *testing.T, v *fakeVault, vault Vault) {
		refs := v.nightly("crm", 6)
		v.errs[refs[5].ManifestKey()] = holdfast.ErrLocked
		v.errs[refs[4].Key("crm.sql.zst.age")] = holdfast.ErrLocked
		job, decisions := doom(t, v, "crm", 3)
		out, err := Apply(t.Context(), vault, job, decisions, 2)
		if err != nil {
			t.Fatalf("a lock is no failure, got %v", err)
		}
		if !v.has(refs[5].ManifestKey()) || !v.has(refs[5].Key("crm.sql.zst.age")) {
			t.Error("the backup whose manifest is locked is no longer whole")
		}
		want := []string{refs[5].ManifestKey(), refs[4].Key("crm.sql.zst.age")}
		if diff := cmp.Diff(want, out.Locked); diff != "" {
			t.Errorf("locked (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]holdfast.Ref{refs[4], refs[3]}, out.Deleted); diff != "" {
			t.Errorf("deleted (-want +got):\n%s", diff)
		}
	})
}

func TestApplyGoesOnPastAFailureAndSaysSoAtTheEnd(t *testing.T) {
	eachWay(t, func(t *testing.T, v *fakeVault, vault Vault) {
		refs := v.nightly("crm", 8)
		v.errs[refs[7].ManifestKey()] = errors.New("access denied")
		job, decisions := doom(t, v, "crm", 4)
		out, err := Apply(t.Context(), vault, job, decisions, 3)
		if err == nil || !strings.Contains(err.Error(), "access denied") || !strings.Contains(err.Error(), "web1/crm") {
			t.Errorf("got error %v, want one that names the job and the cause", err)
		}
		if got, want := len(out.Deleted), 3; got != want {
			t.Errorf("deleted %d backups, want %d", got, want)
		}
		if !v.has(refs[7].Key("crm.sql.zst.age")) {
			t.Error("data is gone although its manifest could not be deleted")
		}
		v.errs = nil
		job, decisions = doom(t, v, "crm", 4)
		if _, err := Apply(t.Context(), vault, job, decisions, 3); err != nil {
			t.Fatalf("repeated: %v", err)
		}
		if got, want := len(v.keys()), 8; got != want {
			t.Errorf("left %d objects after repeating it, want %d", got, want)
		}
	})
}

func TestApplyLeavesOrphansToTheSweep(t *testing.T) {
	v := newVault()
	v.nightly("crm", 8)
	young := v.orphan("crm", now.Add(-time.Minute), 7)
	job, decisions := doom(t, v, "crm", 4)
	if _, err := Apply(t.Context(), v, job, decisions, 3); err != nil {
		t.Fatal(err)
	}
	if !v.has(young.Key("crm.sql.zst.age")) {
		t.Error("data of a backup under way is gone")
	}
}

func TestApplyStopsBetweenBackupsWhenItsTimeIsUp(t *testing.T) {
	v := newVault()
	refs := v.nightly("crm", 200)
	job, decisions := doom(t, v, "crm", 4)
	ctx, cancel := context.WithCancel(t.Context())
	deletions := 0
	v.onDel = func(string) {
		if deletions++; deletions == 50 {
			cancel()
		}
	}
	out, err := Apply(ctx, v, job, decisions, 1)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got error %v, want %v", err, context.Canceled)
	}
	if len(out.Failed) > 0 {
		t.Errorf("running out of time is reported as %d failed deletions", len(out.Failed))
	}
	if deletions > 50 {
		t.Errorf("%d deletions were begun after the end", deletions-50)
	}
	left := v.backups("crm")
	if oldest := refs[len(left)-1].ID; left[0] != oldest {
		t.Errorf("the oldest of %d that are left is %s, want %s: the oldest go first", len(left), left[0], oldest)
	}
	for _, id := range left {
		ref := holdfast.Ref{Host: "web1", Job: "crm", ID: id}
		if !v.has(ref.Key("crm.sql.zst.age")) {
			t.Errorf("%s has a manifest and no data", ref)
		}
	}
}

func TestApplyIsHarmlessTwiceAtOnce(t *testing.T) {
	v := newVault()
	refs := v.nightly("crm", 60)
	job, decisions := doom(t, v, "crm", 40)
	var both sync.WaitGroup
	errs := make([]error, 2)
	for i := range errs {
		both.Go(func() { _, errs[i] = Apply(t.Context(), v, job, decisions, 4) })
	}
	both.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if got, want := len(v.backups("crm")), 40; got != want {
		t.Errorf("left %d backups, want %d", got, want)
	}
	for _, ref := range refs[:40] {
		if !v.has(ref.ManifestKey()) || !v.has(ref.Key("crm.sql.zst.age")) {
			t.Errorf("%s is no longer whole", ref)
		}
	}
}

// However a run is cut off, every manifest that is left has its data.
func TestApplyCutOffAtAnyRequestLeavesWholeBackupsAndOrphans(t *testing.T) {
	const backups, kept = 9, 3
	for cut := range 2*(backups-kept) + 1 {
		eachWay(t, func(t *testing.T, v *fakeVault, vault Vault) {
			refs := v.nightly("crm", backups)
			job, decisions := doom(t, v, "crm", kept)
			ctx, cancel := context.WithCancel(t.Context())
			deletions := 0
			v.onDel = func(string) {
				if deletions++; deletions > cut {
					cancel()
				}
			}
			_, err := Apply(ctx, vault, job, decisions, 1)
			if (err != nil) != (cut < 2*(backups-kept)) {
				t.Errorf("after %d deletions: got error %v", cut, err)
			}
			for _, ref := range refs {
				if v.has(ref.ManifestKey()) && !v.has(ref.Key("crm.sql.zst.age")) {
					t.Errorf("after %d deletions: %s has a manifest and no data", cut, ref)
				}
			}
			v.onDel = nil
			mustRun(t, v, keepLast(kept), Options{Now: now.Add(time.Hour), Force: true})
			mustRun(t, v, keepLast(kept), Options{Now: now.Add(OrphanAge), Force: true})
			if got, want := len(v.keys()), 2*kept; got != want {
				t.Errorf("after %d deletions: left %d objects after the next runs, want %d: %v", cut, got, want, v.keys())
			}
		})
	}
}
