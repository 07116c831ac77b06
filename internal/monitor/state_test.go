package monitor

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
)

func TestStateRoundTrips(t *testing.T) {
	st := newState()
	st.Looked = start
	st.Jobs["web1/crm"] = &record{
		First: start, Looked: start,
		Reread: reread{"20251028T140000Z-9f3c2a7d", start},
		Report: failure{"20251028T140000Z-9f3c2a7d", "20251028T140000Z-9f3c2a7d", "exit 1"},
		Orphan: orphan{"20251001T140000Z-9f3c2a7d", start},
		Facts: []fact{
			{ID: "20251028T140000Z-9f3c2a7d", Plain: 1 << 40, Ratios: []float64{5.125, 0.001}, Digest: "AAAAAAAAAAA"},
			{ID: "20251027T140000Z-9f3c2a7d", Fault: holdfast.CheckHash, Reason: "a \"b\"", At: start},
		},
	}
	st.Reading = &reading{Ref: holdfast.Ref{Host: "web1", Job: "crm", ID: "20251028T140000Z-9f3c2a7d"}, File: "a.age", Offset: 5, Sum: []byte{1, 2}}
	st.Open = []holdfast.Finding{{Check: holdfast.CheckFresh, Severity: holdfast.Critical, Host: "web1", Job: "crm", Summary: "old", Since: start}}
	doc, err := st.encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeState(doc)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(st, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

var damagedStates = []struct{ name, doc string }{
	{"empty", ""},
	{"cut off", `{"version":1,"jobs":{`},
	{"of a later version", `{"version":2,"jobs":{},"open":[]}`},
	{"with an unknown field", `{"version":1,"jobs":{},"open":[],"more":1}`},
	{"with something behind it", `{"version":1,"jobs":{},"open":[]} {}`},
	{"without jobs", `{"version":1,"jobs":null,"open":[]}`},
	{"with a job of no name", `{"version":1,"jobs":{"../x":{"first":"2025-10-28T14:00:00Z","looked":"2025-10-28T14:00:00Z"}},"open":[]}`},
	{"with a job of nothing", `{"version":1,"jobs":{"web1/crm":null},"open":[]}`},
	{"with a fact of two fields", `{"version":1,"jobs":{"web1/crm":{"first":"2025-10-28T14:00:00Z","looked":"2025-10-28T14:00:00Z","facts":[["x",1]]}},"open":[]}`},
	{"with one finding twice", `{"version":1,"jobs":{},"open":[{"check":"state","severity":"warning","summary":""},{"check":"state","severity":"warning","summary":""}]}`},
}

func TestDamagedStateIsKeptAsideReportedAndBegunAnew(t *testing.T) {
	for _, tt := range damagedStates {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			h.pushSize(30*time.Hour, 5000)
			h.vault.put(StateKey, []byte(tt.doc), start)
			want := []string{"opened web1/crm fresh", "opened vault state"}
			if diff := cmp.Diff(want, changes(h.run())); diff != "" {
				t.Errorf("first run (-want +got):\n%s", diff)
			}
			if got := string(h.vault.objects[asideKey(h.now)].body()); got != tt.doc {
				t.Errorf("kept aside %q, want %q", got, tt.doc)
			}
			h.now = h.now.Add(time.Minute)
			if diff := cmp.Diff([]string{"resolved vault state"}, changes(h.run())); diff != "" {
				t.Errorf("second run (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDamagedStateThatCannotBeKeptIsNotReplaced(t *testing.T) {
	h := newHouse(t)
	h.pushSize(0, 5000)
	h.vault.put(StateKey, []byte("garbage"), start)
	h.vault.failSwap = failOn(asideKey(h.now), holdfast.ErrFull)
	r := h.run()
	if got := string(h.vault.objects[StateKey].body()); got != "garbage" || r.Remembered {
		t.Errorf("state is now %q, want it left as evidence", got)
	}
	find(t, r, holdfast.CheckState)
}

func TestStateThatCannotBeWrittenIsAFindingAndTransitionsComeAgain(t *testing.T) {
	h := newHouse(t)
	h.pushSize(30*time.Hour, 5000)
	h.vault.failSwap = func(string) error { return errors.New("read-only") }
	want := []string{"opened web1/crm fresh", "opened vault state"}
	for range 2 {
		r := h.run()
		if diff := cmp.Diff(want, changes(r)); diff != "" || r.Remembered {
			t.Errorf("remembered %t, (-want +got):\n%s", r.Remembered, diff)
		}
	}
}

func TestStateThatOthersKeepChangingLeavesTheTransitionsToThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.pushSize(30*time.Hour, 5000)
		tries, begun := 0, time.Now()
		h.vault.failSwap = func(key string) error { tries++; return fmt.Errorf("swap: %w", holdfast.ErrConflict) }
		r := h.run()
		if diff := cmp.Diff([]string{"opened vault state"}, changes(r)); diff != "" || tries != maxSwaps {
			t.Errorf("%d tries, want %d, (-want +got):\n%s", tries, maxSwaps, diff)
		}
		if took := time.Since(begun); took < 4*time.Second || took > 12*time.Second {
			t.Errorf("tried for %s, want long enough for others to end", took)
		}
		find(t, r, holdfast.CheckFresh)
	})
}

func TestVaultWhoseStateCannotBeLoadedIsNotJudged(t *testing.T) {
	h := newHouse(t)
	h.pushSize(30*time.Hour, 5000)
	r, err := Run(t.Context(), brokenLoad{h.vault}, h.opts)
	if err == nil || r.Remembered {
		t.Errorf("error %v, remembered %t", err, r.Remembered)
	}
	if diff := cmp.Diff([]string{"critical vault reachable"}, states(r)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzDecodeState(f *testing.F) {
	for _, tt := range damagedStates {
		f.Add([]byte(tt.doc))
	}
	f.Add([]byte(`{"version":1,"jobs":{"web1/crm":{"first":"2025-10-28T14:00:00Z","looked":"2025-10-28T14:00:00Z",` +
		`"facts":[["20251028T140000Z-9f3c2a7d",5,[1.5,2],"AAAAAAAAAAA"],["20251028T140000Z-9f3c2a7d",0,[],"","hash","r","2025-10-28T14:00:00Z"]]}},"open":[]}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		st, err := decodeState(doc)
		if err != nil {
			return
		}
		again, err := st.encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodeState(again); err != nil {
			t.Fatalf("what was read cannot be read again: %v\n%s", err, strings.TrimSpace(string(again)))
		}
	})
}
