package monitor

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
)

// A stolen host is cut off; what it has sent matters more than ever.
func TestBackupsOfARetiredHostAreStillJudged(t *testing.T) {
	h := newHouse(t)
	h.opts.Expected = []holdfast.JobName{{Host: "web1", Job: "wiki"}}
	h.daily(10, 5000)
	h.fail(time.Hour, "exit status 1")
	h.now = h.now.Add(30 * time.Hour)
	want := []string{"critical web1/crm fresh", "critical web1/wiki missing", "warning web1/crm failed-run"}
	h.run()
	h.now = h.now.Add(30 * time.Hour)
	if diff := cmp.Diff(want, states(h.run())); diff != "" {
		t.Errorf("before (-want +got):\n%s", diff)
	}

	h.opts.Retired = func(host string) bool { return host == "web1" }
	resolved := []string{"resolved web1/crm fresh", "resolved web1/wiki missing", "resolved web1/crm failed-run"}
	if diff := cmp.Diff(resolved, changes(h.run())); diff != "" {
		t.Errorf("once it is cut off (-want +got):\n%s", diff)
	}
	ref := h.push(29*day, dump{file: "crm.sql.zst.age", size: 5000})
	h.vault.putLazy(ref.Key("crm.sql.zst.age"), 4999, start, nil)
	h.store(holdfast.Ref{Host: "web1", Job: "crm", ID: h.id(h.now)}, h.key, dump{file: "crm.sql.zst.age", size: 100})
	opened := []string{"opened web1/crm min-size", "opened web1/crm stored-size", "opened web1/crm size-shrunk"}
	if diff := cmp.Diff(opened, changes(h.run())); diff != "" {
		t.Errorf("once its backups are touched (-want +got):\n%s", diff)
	}
}

func TestAFileThatARetiredHostDoesNotSendIsNoMoreThanAWarning(t *testing.T) {
	h := newHouse(t)
	h.pairs(10, 20_000, 400_000)
	h.now = h.now.Add(3 * time.Hour)
	h.push(0, dump{file: "media.tar.zst.age", size: 400_000})
	for _, retired := range []bool{false, true} {
		h.opts.Retired = func(string) bool { return retired }
		want := holdfast.Critical
		if retired {
			want = holdfast.Warning
		}
		if f := find(t, h.run(), holdfast.CheckStreams); f.Severity != want {
			t.Errorf("retired %t: got a %s finding, want %s", retired, f.Severity, want)
		}
	}
}

// Retention deletes manifests first and data after, while the monitor looks.
func TestAVaultThatIsBeingThinnedOutIsWell(t *testing.T) {
	h := newHouse(t)
	h.daily(40, 5000)
	h.pushSize(0, 5000)
	old := h.pushSize(50*day, 5000)
	h.vault.remove(old.ManifestKey()) // its data is next
	if got := states(h.run()); len(got) > 0 {
		t.Errorf("with a manifest gone: %v, want nothing", got)
	}
	h.now = h.now.Add(orphanFor / 2)
	h.vault.remove(old.Key("crm.sql.zst.age"))
	second := h.pushSize(49*day, 5000)
	h.vault.remove(second.ManifestKey())
	h.now = h.now.Add(orphanFor)
	if got := states(h.run()); len(got) > 0 {
		t.Errorf("with another one gone: %v, want nothing", got)
	}

	// The listing has the manifest, and when it is read there is nothing.
	h.vault.remove(second.Key("crm.sql.zst.age"))
	third := h.pushSize(48*day, 5000)
	h.vault.remove(third.Key("crm.sql.zst.age"))
	h.vault.failOpen = failOn(third.ManifestKey(), holdfast.ErrNotExist)
	if got := states(h.run()); len(got) > 0 {
		t.Errorf("with one gone after it was listed: %v, want nothing", got)
	}
}

func TestDataThatTheSweepLeavesIsAFindingAfterAnHour(t *testing.T) {
	h := newHouse(t)
	h.vault.remove(h.pushSize(3*day+time.Second, 5000).ManifestKey())
	for _, step := range []struct {
		after time.Duration
		want  []string
	}{
		{0, []string{}},
		{orphanFor - time.Second, []string{}},
		{time.Second, []string{"opened web1/crm unfinished"}},
		{time.Hour, []string{}},
	} {
		h.now = h.now.Add(step.after)
		h.pushSize(0, 5000)
		h.vault.remove(h.pushSize(3*day, 5000).ManifestKey()) // younger ones change nothing
		if diff := cmp.Diff(step.want, changes(h.run())); diff != "" {
			t.Errorf("after %v (-want +got):\n%s", step.after, diff)
		}
	}
}

func TestAllVaultsAtOnceHaveANameInTheText(t *testing.T) {
	h := newHouse(t)
	h.opts.VaultName = ""
	if got, want := text(t, h.run()), "all vaults: all well in 0 jobs, 0 backups, 0B; 0 manifests opened\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
