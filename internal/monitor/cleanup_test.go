package monitor

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
)

// cleaned records a run of retention.
func (h *house) cleaned(c holdfast.Cleanup) {
	h.t.Helper()
	c.Version = holdfast.CleanupVersion
	body, err := json.Marshal(c)
	if err != nil {
		h.t.Fatal(err)
	}
	h.vault.put(holdfast.CleanupKey, body, h.now)
}

func found(r Result) []string {
	all := []string{}
	for _, f := range r.Findings {
		all = append(all, fmt.Sprintf("%s %s %s: %s", f.Severity, f.Subject(), f.Check, f.Summary))
	}
	return all
}

func TestWhatRetentionFoundIsFoundByTheMonitorToo(t *testing.T) {
	brake := holdfast.Finding{
		Check: holdfast.CheckRetentionBrake, Severity: holdfast.Warning, Host: "web1", Job: "crm", Summary: "refused to delete 9 of 10",
	}
	other := func(check, host, job string) holdfast.Finding {
		return holdfast.Finding{Check: check, Severity: holdfast.Warning, Host: host, Job: job, Summary: "x\ny"}
	}
	for _, test := range []struct {
		name string
		last holdfast.Cleanup
		ago  time.Duration
		want []string
	}{
		{"all well", holdfast.Cleanup{Deleted: 3}, time.Hour, []string{}},
		{"a brake", holdfast.Cleanup{Findings: []holdfast.Finding{brake, brake}}, time.Hour, []string{"warning web1/crm retention-brake: refused to delete 9 of 10"}},
		{"a run that failed", holdfast.Cleanup{Error: "no\nroom"}, time.Hour, []string{"warning vault retention-failed: retention failed: no room"}},
		{"no run for three days", holdfast.Cleanup{}, 73 * time.Hour, []string{"warning vault retention: retention has not run for 3d"}},
		{"a run three days ago", holdfast.Cleanup{}, 72 * time.Hour, []string{}},
		{"what the monitor sees itself, or nobody watches, or is none of retention's", holdfast.Cleanup{Findings: []holdfast.Finding{
			other(holdfast.CheckRetentionStray, "", ""), other(holdfast.CheckRetentionBrake, "web9", "crm"), other(holdfast.CheckFresh, "web1", "crm"),
			{Check: holdfast.CheckRetentionBrake, Severity: "fine", Host: "web1", Job: "crm"}, other("retention-made-up", "", ""),
		}}, time.Hour, []string{}},
		{"one of the whole", holdfast.Cleanup{Findings: []holdfast.Finding{other(holdfast.CheckRetentionSweep, "", "")}}, time.Hour, []string{"warning vault retention-sweep: x y"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHouse(t)
			h.pushSize(time.Hour, 5000)
			test.last.At = h.now.Add(-test.ago)
			h.cleaned(test.last)
			if diff := cmp.Diff(test.want, found(h.run())); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestABrakeIsNoNewsWhereTheMonitorTellsWhy(t *testing.T) {
	h := newHouse(t)
	h.pushSize(47*time.Hour, 5000)
	newest := h.pushSize(30*time.Hour, 5000).ID
	brake := holdfast.Finding{
		Check: holdfast.CheckRetentionBrake, Severity: holdfast.Warning, Host: "web1", Job: "crm", Summary: "refused",
		Backup: newest, Cause: holdfast.CheckFresh,
	}
	find := func(want ...string) {
		t.Helper()
		if diff := cmp.Diff(append([]string{}, want...), found(h.run())); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	const stale, refused = "critical web1/crm fresh: the newest good backup is 30h old", "warning web1/crm retention-brake: refused"
	h.cleaned(holdfast.Cleanup{At: h.now, Findings: []holdfast.Finding{brake}})
	find(stale)

	other := brake
	other.Cause = holdfast.CheckShrunk // of which the monitor sees nothing
	h.cleaned(holdfast.Cleanup{At: h.now, Findings: []holdfast.Finding{other}})
	find(stale, refused)
	other.Cause = ""
	h.cleaned(holdfast.Cleanup{At: h.now, Findings: []holdfast.Finding{other}})
	find(stale, refused)

	h.cleaned(holdfast.Cleanup{At: h.now, Findings: []holdfast.Finding{brake}})
	find(stale)
	h.pushSize(0, 5000) // since retention ran
	find()
	h.cleaned(holdfast.Cleanup{At: h.now, Findings: []holdfast.Finding{other}})
	find(refused)
}

func TestWhatRetentionFoundIsOverOnceItFindsItNoMore(t *testing.T) {
	h := newHouse(t)
	h.pushSize(time.Hour, 5000)
	h.cleaned(holdfast.Cleanup{At: h.now, Error: "disk full"})
	h.run()
	h.cleaned(holdfast.Cleanup{At: h.now})
	if diff := cmp.Diff([]string{"resolved vault retention-failed"}, changes(h.run())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestADamagedRecordOfRetentionIsAFinding(t *testing.T) {
	for body, why := range map[string]string{
		"": "unexpected end", "{": "unexpected end", `{"version":9}`: "version 9 is not known",
		`{"version":1,"at":"2036-01-01T00:00:00Z"}`: "it is of a time to come", // or a clock that was ahead once would hide its silence for years
	} {
		h := newHouse(t)
		h.pushSize(time.Hour, 5000)
		h.vault.put(holdfast.CleanupKey, []byte(body), h.now)
		got := found(h.run())
		if len(got) != 1 || !strings.HasPrefix(got[0], "warning vault retention-failed: what retention did cannot be read: ") || !strings.Contains(got[0], why) {
			t.Errorf("%q: found %q, want %q", body, got, why)
		}
	}
}

func TestTheResultKnowsAllThatIsOpenAndOrdersWhatRunsSaw(t *testing.T) {
	h := newHouse(t)
	h.opts.Expected = []holdfast.JobName{{Host: "web1", Job: "crm"}, {Host: "web1", Job: "media"}}
	h.run()
	h.now = h.now.Add(48 * time.Hour)
	first := h.run()
	if len(first.Open) != 2 || !first.Whole || !first.Judged {
		t.Fatalf("whole run: %d open, whole %v, judged %v, want 2, true, true", len(first.Open), first.Whole, first.Judged)
	}
	h.pushSize(0, 5000)
	h.opts.Jobs = []holdfast.JobName{{Host: "web1", Job: "crm"}}
	part := h.run()
	if len(part.Open) != 1 || part.Open[0].Job != "media" || part.Whole || part.Revision <= first.Revision {
		t.Errorf("run about crm: open %v, whole %v, revision %d after %d, want media's, false, more", part.Open, part.Whole, part.Revision, first.Revision)
	}
	h.opts.Jobs, h.opts.DryRun = nil, true
	if dry := h.run(); dry.Revision != 0 || len(dry.Open) != 1 {
		t.Errorf("dry run: revision %d, %d open, want 0, 1", dry.Revision, len(dry.Open))
	}
}

// Or alerts would wait until a memory that was lost has been changed as often as
// the one before.
func TestAMemoryBegunAnewIsNotOlder(t *testing.T) {
	h := newHouse(t)
	h.pushSize(0, 5000)
	before := Result{}
	for range 5 {
		before = h.run()
	}
	h.vault.remove(StateKey)
	h.now = h.now.Add(5 * time.Minute)
	if after := h.run(); after.Revision <= before.Revision {
		t.Errorf("revision %d after %d", after.Revision, before.Revision)
	}
}

func TestAVaultThatCannotBeListedResolvesNothing(t *testing.T) {
	h := newHouse(t)
	h.pushSize(48*time.Hour, 5000)
	h.run()
	h.vault.failList = errors.New("gone")
	r, err := Run(t.Context(), h.vault, h.opts)
	if err == nil || !r.Whole || r.Judged {
		t.Errorf("err %v, whole %v, judged %v, want an error, true, false", err, r.Whole, r.Judged)
	}
	var open []string
	for _, f := range r.Open {
		open = append(open, f.Subject()+" "+f.Check)
	}
	if diff := cmp.Diff([]string{"vault reachable", "web1/crm fresh"}, open); diff != "" {
		t.Errorf("open (-want +got):\n%s", diff)
	}
	h.vault.failSwap = func(string) error { return errors.New("gone too") }
	if r, _ := Run(t.Context(), h.vault, h.opts); r.Revision != 0 {
		t.Errorf("revision %d of what was not saved, want 0", r.Revision)
	}
}

// What could not be looked at is as it was: a listing that fails once must not
// tell people that somebody's deletions are over.
func TestALookThatFailsTakesNothingBack(t *testing.T) {
	h := newHouse(t)
	h.pushSize(time.Hour, 5000)
	h.cleaned(holdfast.Cleanup{At: h.now, Error: "disk full"})
	h.run()
	h.vault.failList = errors.New("503")
	h.now = h.now.Add(5 * time.Minute)
	r, err := Run(t.Context(), h.vault, h.opts)
	if err == nil {
		t.Fatal("the listing did not fail")
	}
	if diff := cmp.Diff([]string{"opened vault reachable"}, changes(r)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// A run about one job can judge it, and says nothing of the vault.
	h.vault.failList, h.opts.Jobs = nil, []holdfast.JobName{{Host: "web1", Job: "crm"}}
	if diff := cmp.Diff([]string{}, changes(h.run())); diff != "" {
		t.Errorf("of one job (-want +got):\n%s", diff)
	}
	h.opts.Jobs = nil
	if diff := cmp.Diff([]string{"resolved vault reachable"}, changes(h.run())); diff != "" {
		t.Errorf("of all (-want +got):\n%s", diff)
	}
}

func TestTheHistoryOfFailedRunsAndDrillsIsRemembered(t *testing.T) {
	h := newHouse(t)
	h.pushSize(0, 5000)
	h.report(3*time.Hour, holdfast.Report{Kind: holdfast.ReportFailure, Error: "first"})
	h.report(2*time.Hour, holdfast.Report{Kind: holdfast.ReportDrill, OK: true})
	h.report(time.Hour, holdfast.Report{Kind: holdfast.ReportFailure, Stage: "dump", Error: "second"})
	see := func() []string {
		r := h.run()
		if len(r.Findings) > 0 {
			t.Errorf("findings of runs that a good backup followed: %v", found(r))
		}
		all := []string{}
		for _, f := range r.Jobs[0].Failures {
			all = append(all, f.Reason)
		}
		if r.Jobs[0].Drill == nil || !r.Jobs[0].Drill.OK {
			t.Error("the drill is not remembered")
		}
		return all
	}
	if diff := cmp.Diff([]string{"dump: second", "first"}, see()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	opens := h.vault.opens
	for i := range 9 {
		h.now = h.now.Add(time.Minute)
		h.report(0, holdfast.Report{Kind: holdfast.ReportFailure, Error: fmt.Sprint(i)})
		h.now = h.now.Add(time.Minute)
		h.pushSize(0, 5000)
		see()
	}
	if diff := cmp.Diff([]string{"8", "7", "6", "5", "4"}, see()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := h.vault.opens - opens; got != 18 {
		t.Errorf("opened %d objects for 9 reports and 9 manifests", got)
	}
}
