package monitor

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/holdfast-backup/holdfast"
)

func TestFindingOpensOnceStaysAndIsResolvedOnce(t *testing.T) {
	h := newHouse(t)
	h.pushSize(30*time.Hour, 5000)
	opened := h.now
	steps := []struct {
		name   string
		act    func()
		change Change
	}{
		{"stale", func() {}, Opened},
		{"still stale", func() {}, Still},
		{"a backup arrives", func() { h.pushSize(0, 5000) }, Resolved},
	}
	for _, step := range steps {
		step.act()
		r := h.run()
		if len(r.Transitions) != 1 {
			t.Fatalf("%s: %d transitions, want 1", step.name, len(r.Transitions))
		}
		got := r.Transitions[0]
		if got.Change != step.change || !got.At.Equal(h.now) || !got.Finding.Since.Equal(opened) || got.Finding.Check != holdfast.CheckFresh {
			t.Errorf("%s: got %+v, want %s at %s since %s", step.name, got, step.change, h.now, opened)
		}
		h.now = h.now.Add(time.Hour)
	}
	if r := h.run(); len(r.Transitions) > 0 {
		t.Errorf("afterwards: %v, want nothing", changes(r))
	}
}

func TestWarningThatTurnsCriticalIsWorsened(t *testing.T) {
	h := newHouse(t)
	ref := h.push(time.Hour, dump{file: "a.age", size: 5000}, dump{file: "b.age", size: 5000})
	h.pushSize(0, 5000)
	h.vault.put(ref.Key("extra.age"), []byte("x"), start)
	h.run()
	h.vault.remove(ref.Key("b.age"))
	if diff := cmp.Diff([]string{"worsened web1/crm stored-size"}, changes(h.run())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// ledger checks over many runs that every finding is opened once and resolved
// once before it is opened again.
type ledger map[findingKey]bool

func (l ledger) enter(t *rapid.T, r Result) {
	for _, tr := range r.Transitions {
		key := keyOf(tr.Finding)
		switch tr.Change {
		case Opened:
			if l[key] {
				t.Fatalf("%v opened twice", key)
			}
			l[key] = true
		case Still, Worsened:
			if !l[key] {
				t.Fatalf("%v is %s without having been opened", key, tr.Change)
			}
		case Resolved:
			if !l[key] {
				t.Fatalf("%v resolved without having been opened", key)
			}
			delete(l, key)
		}
	}
}

// settle demands that what is open by the transitions is what the last run found.
func (l ledger) settle(t *rapid.T, r Result) {
	want := map[findingKey]bool{}
	for _, f := range r.Findings {
		want[keyOf(f)] = true
	}
	if diff := cmp.Diff(want, map[findingKey]bool(l), cmp.AllowUnexported(findingKey{})); diff != "" {
		t.Fatalf("open by the findings and by the transitions (-findings +transitions):\n%s", diff)
	}
}

// happen does one random thing to the house.
func (h *house) happen(t *rapid.T, job string) {
	ref := holdfast.Ref{Host: "web1", Job: job, ID: h.id(h.now)}
	size := rapid.Int64Range(900, 9000).Draw(t, "size")
	h.now = h.now.Add(time.Duration(rapid.IntRange(1, 40).Draw(t, "hours")) * time.Hour)
	switch rapid.IntRange(0, 6).Draw(t, "event") {
	case 0: // nothing arrives
	case 1, 2:
		h.store(ref, h.key, dump{file: "a.age", size: size})
	case 3:
		h.store(ref, otherKey(), dump{file: "a.age", size: size})
	case 4:
		h.store(ref, h.key, dump{file: "a.age", size: size}, dump{file: "b.age", size: size})
		h.vault.remove(ref.Key("b.age"))
	case 5:
		h.store(ref, h.key, dump{file: "a.age", size: size})
		h.vault.remove(ref.ManifestKey())
	case 6:
		key := holdfast.ReportKey("web1", job, ref.ID)
		h.vault.put(key, []byte(`{"kind":"failure","error":"it failed"}`), h.now)
	}
}

func TestEveryOpeningIsResolvedOnceOverRandomHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, books := newHouse(nil), ledger{}
		h.opts.Expected = []holdfast.JobName{{Host: "web1", Job: "crm"}, {Host: "web1", Job: "media"}}
		h.opts.ManifestReads = rapid.IntRange(-1, 3).Draw(t, "budget")
		var last Result
		for range rapid.IntRange(1, 25).Draw(t, "runs") {
			h.happen(t, rapid.SampledFrom([]string{"crm", "media"}).Draw(t, "job"))
			r, err := Run(context.Background(), h.vault, h.opts)
			if err != nil {
				t.Fatal(err)
			}
			books.enter(t, r)
			last = r
		}
		books.settle(t, last)
	})
}

// Two monitors on the same vault: whenever one is about to save, the other may
// run in between, on the vault as it has become meanwhile.
func TestTwoMonitorsNeitherLoseNorRepeatATransition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, books := newHouse(nil), ledger{}
		h.opts.Expected = []holdfast.JobName{{Host: "web1", Job: "crm"}, {Host: "web1", Job: "media"}}
		other := h.opts
		other.Only = nil
		run := func(opts Options) Result {
			r, err := Run(context.Background(), h.vault, opts)
			if err != nil {
				t.Fatal(err)
			}
			if !r.Remembered {
				t.Fatal("the state was not saved")
			}
			books.enter(t, r)
			return r
		}
		for range rapid.IntRange(1, 15).Draw(t, "runs") {
			h.happen(t, "crm")
			if rapid.Bool().Draw(t, "race") {
				h.vault.beforeSwap = func() {
					if rapid.Bool().Draw(t, "meanwhile") {
						h.happen(t, rapid.SampledFrom([]string{"crm", "media"}).Draw(t, "job"))
					}
					if rapid.Bool().Draw(t, "part") {
						other.Only = func(_, job string) bool { return job == "crm" }
					}
					run(other)
				}
			}
			run(h.opts)
			h.vault.beforeSwap = nil
		}
		books.settle(t, run(h.opts))
	})
}

func TestOlderLookDoesNotBringBackWhatANewerOneSettled(t *testing.T) {
	h := newHouse(t)
	h.pushSize(30*time.Hour, 5000)
	var inner Result
	h.vault.beforeSwap = func() {
		h.now = h.now.Add(time.Minute)
		h.pushSize(0, 5000)
		inner = h.run()
	}
	outer := h.run() // saw the job stale, and comes second
	if got := append(changes(inner), changes(outer)...); len(got) > 0 {
		t.Errorf("transitions %v, want none: the backup was there when the newer look was saved", got)
	}
	if st := h.state(); len(st.Open) > 0 {
		t.Errorf("state has %v open, want nothing", st.Open)
	}
}

func TestVaultThatCannotBeListedIsOneFindingAndNoConclusion(t *testing.T) {
	h := newHouse(t)
	h.pushSize(30*time.Hour, 5000)
	h.run()
	h.vault.failList = errors.New("no route to host")
	r, err := Run(t.Context(), h.vault, h.opts)
	if err == nil {
		t.Error("no error, want one")
	}
	if diff := cmp.Diff([]string{"opened vault reachable"}, changes(r)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(r.Findings) != 1 || len(r.Jobs) > 0 {
		t.Errorf("findings %v and %d jobs, want one and none", states(r), len(r.Jobs))
	}
	h.vault.failList = nil
	h.pushSize(0, 5000)
	want := []string{"resolved vault reachable", "resolved web1/crm fresh"}
	if diff := cmp.Diff(want, changes(h.run())); diff != "" {
		t.Errorf("once it is back (-want +got):\n%s", diff)
	}
}

func TestVaultWhoseManifestsCannotBeReadIsOneFinding(t *testing.T) {
	h := newHouse(t)
	h.daily(20, 5000)
	h.vault.failOpen = func(string) error { return errors.New("access denied") }
	r, err := Run(t.Context(), h.vault, h.opts)
	if diff := cmp.Diff([]string{"critical vault reachable"}, states(r)); diff != "" || err == nil {
		t.Errorf("error %v, findings (-want +got):\n%s", err, diff)
	}
}

func TestEndOfTheContextIsNoJudgement(t *testing.T) {
	h := newHouse(t)
	h.daily(5, 5000)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := Run(ctx, h.vault, h.opts)
	if !errors.Is(err, context.Canceled) || len(r.Jobs) > 0 || len(r.Findings) > 0 || h.vault.swaps > 0 {
		t.Errorf("error %v, %d jobs, findings %v, %d swaps, want context.Canceled and nothing else", err, len(r.Jobs), states(r), h.vault.swaps)
	}
}

func TestTooSlowAVaultIsRememberedAsOneThatCannotBeJudged(t *testing.T) {
	h := newHouse(t)
	h.daily(5, 5000)
	for _, want := range []string{"opened vault reachable", ""} {
		ctx, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
		defer cancel()
		r, err := Run(ctx, h.vault, h.opts)
		if got := strings.Join(changes(r), ", "); !errors.Is(err, context.DeadlineExceeded) || got != want || !r.Remembered {
			t.Errorf("error %v, changes %q, remembered %t, want context.DeadlineExceeded, %q and true", err, got, r.Remembered, want)
		}
	}
}

func TestDryRunLeavesTheStateAlone(t *testing.T) {
	h := newHouse(t)
	h.pushSize(30*time.Hour, 5000)
	h.opts.DryRun = true
	for range 2 {
		r := h.run()
		if diff := cmp.Diff([]string{"opened web1/crm fresh"}, changes(r)); diff != "" || r.Remembered {
			t.Errorf("remembered %t (-want +got):\n%s", r.Remembered, diff)
		}
	}
	if h.vault.swaps > 0 {
		t.Errorf("%d swaps, want none", h.vault.swaps)
	}
}

func TestOptionsWithoutPoliciesOrKeysAreRefused(t *testing.T) {
	h := newHouse(t)
	for _, opts := range []Options{{Policies: h.opts.Policies}, {HostKeys: h.opts.HostKeys}} {
		if _, err := Run(t.Context(), h.vault, opts); err == nil {
			t.Errorf("%+v: no error", opts)
		}
	}
}
