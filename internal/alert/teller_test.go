package alert

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
)

func (h *house) wantSaid(want ...string) {
	h.t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), h.said()); diff != "" {
		h.t.Fatalf("told (-want +got):\n%s", diff)
	}
}

func TestMessageSaysAllThatThereIsToKnow(t *testing.T) {
	h := newHouse(t, "ops")
	last := &holdfast.LastBackup{ID: "20251028T020000Z-9f3c2a7d", Size: 5000, Usual: 6000}
	h.in.Jobs = map[holdfast.JobName]Job{{Host: "web1", Job: "crm"}: {Last: last}}
	h.teller.options.Vault = "main"
	h.teller.options.Link = func(context.Context) (string, error) { return "https://vault.example.com/page", nil }
	h.look("crm/fresh!")
	h.in.Open[0].Since = start.Add(-time.Hour)
	h.run()
	m := h.phones["ops"].take()[0]
	want := holdfast.Message{
		ID: m.ID, Kind: holdfast.KindChange, At: start, Vault: "main", Link: "https://vault.example.com/page",
		Items: []holdfast.Item{{Event: holdfast.Unhealthy, Step: holdfast.Opened, At: start.Add(-time.Hour), Finding: h.in.Open[0], Last: last}},
	}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Errorf("opening (-want +got):\n%s", diff)
	}
	if strings.Trim(m.ID, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || m.ID == "" {
		t.Errorf("id %q", m.ID)
	}

	h.now = start.Add(2 * time.Hour)
	h.look()
	h.teller.options.Link = func(context.Context) (string, error) { return "", errors.New("no key") }
	if o := h.run(); o.Unlinked != "no key" {
		t.Errorf("why there is no link: %q", o.Unlinked)
	}
	end := h.phones["ops"].take()[0]
	over := holdfast.Item{Event: holdfast.Unhealthy, Step: holdfast.Resolved, At: h.now, Finding: want.Items[0].Finding, Last: last}
	want = holdfast.Message{
		ID: end.ID, Kind: holdfast.KindChange, At: h.now, Vault: "main", Items: []holdfast.Item{over},
		Thread: &holdfast.Thread{ID: m.ID, At: start, Posted: "posted-" + m.ID, Items: []holdfast.Item{over}},
	}
	if diff := cmp.Diff(want, end); diff != "" || !end.Thread.Over() || end.ID == m.ID {
		t.Errorf("end, without a link (-want +got):\n%s", diff)
	}
}

// A run that dies after the channel has taken a message, and before that is
// written down, leaves its claim; the next one waits for it to run out.
func TestMessageThatNobodyWroteDownIsSentAgainWithTheSameID(t *testing.T) {
	h := newHouse(t, "ops")
	h.look("crm/fresh!")
	dead := errors.New("killed")
	h.phones["ops"].set(func(context.Context, holdfast.Message) error {
		h.fault = func(string, string) error { return dead }
		return nil
	})
	if outcome, err := h.teller.Run(t.Context(), h.in); !errors.Is(err, dead) || outcome.Remembered {
		t.Fatalf("error %v, remembered %t", err, outcome.Remembered)
	}
	first := h.phones["ops"].take()
	h.phones["ops"].set(nil)
	h.fault, h.teller = nil, h.newTeller()

	h.now = h.now.Add(DefaultSendTimeout)
	h.look("crm/fresh!")
	if o := h.run(); !o.Channels[0].Busy || o.Untold != 0 {
		t.Errorf("outcome %+v, want the channel busy", o)
	}
	h.wantSaid()
	h.now = h.now.Add(claimMargin)
	h.look("crm/fresh!")
	h.run()
	second := h.phones["ops"].take()
	if len(first) != 1 || len(second) != 1 || first[0].ID != second[0].ID {
		t.Fatalf("sent %v, then %v, want the same message", first, second)
	}
}

func TestSameProcessDoesNotWaitForItsOwnClaimNorTellTwice(t *testing.T) {
	h := newHouse(t, "ops")
	h.look("crm/fresh!")
	h.phones["ops"].set(func(context.Context, holdfast.Message) error {
		h.fault = func(op, _ string) error { return errors.New("read-only") }
		return nil
	})
	if _, err := h.teller.Run(t.Context(), h.in); err == nil {
		t.Fatal("what was told could not be saved, and there is no error")
	}
	h.wantSaid("ops: opened crm/fresh!")
	h.phones["ops"].set(nil)
	h.fault = nil
	h.now = h.now.Add(time.Second)
	h.look("crm/fresh!", "crm/hash")
	h.run()
	h.wantSaid("ops: opened crm/hash")
	if told := h.state().Incidents[0].Told["ops"]; told.N != 1 {
		t.Errorf("the vault knows %+v, want what was told before", told)
	}
}

func TestVaultThatIsAwayIsToldOnceFromMemory(t *testing.T) {
	h := newHouse(t, "ops")
	h.look("crm/fresh!")
	h.run()
	h.said()
	h.fault = func(op, key string) error { return errors.New("no route to host") }
	for range 3 {
		h.now = h.now.Add(time.Hour)
		h.in.Revision, h.in.At, h.in.Open = 0, h.now, []holdfast.Finding{finding("vault/reachable!")}
		if o, err := h.teller.Run(t.Context(), h.in); err == nil || o.Remembered {
			t.Fatal("the vault is away, and the state was saved")
		}
	}
	h.wantSaid("ops: opened vault/reachable!")
	h.fault = nil
	h.now = h.now.Add(time.Hour)
	h.look("crm/fresh!")
	h.run()
	h.wantSaid("ops↩: resolved vault/reachable!")
}

func TestDamagedStateIsKeptAsideAndBegunAnew(t *testing.T) {
	for name, doc := range damagedStates {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, "ops")
			if _, err := h.vault.Swap(t.Context(), StateKey, []byte(doc), ""); err != nil {
				t.Fatal(err)
			}
			h.look("crm/fresh!")
			h.run()
			h.wantSaid("ops: opened crm/fresh!")
			if aside, _, err := h.vault.Load(t.Context(), asideKey(h.now)); err != nil || string(aside) != doc {
				t.Errorf("kept aside %q, %v, want %q", aside, err, doc)
			}
			h.look("crm/fresh!")
			h.run()
			h.wantSaid()
		})
	}
}

func TestUntold(t *testing.T) {
	down := map[string]func(context.Context, holdfast.Message) error{"down": down}
	for _, tt := range []struct {
		name     string
		dev, ops string
		want     []int // after each run
	}{
		{"all told", "up", "up", []int{0, 0, 0}},
		{"one channel knows", "up", "down", []int{0, 0, 0}},
		{"nobody knows, and after the second failure not that either", "down", "down", []int{1, 3, 3}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t, "dev", "ops")
			h.phones["dev"].set(down[tt.dev])
			h.phones["ops"].set(down[tt.ops])
			for _, want := range tt.want {
				h.look("crm/fresh!")
				if o := h.run(); o.Untold != want {
					t.Errorf("%d untold, want %d", o.Untold, want)
				}
				h.now = h.now.Add(time.Hour)
			}
		})
	}
	t.Run("the only channel is broken", func(t *testing.T) {
		h := newHouse(t, "ops")
		h.phones["ops"].set(down["down"])
		for _, want := range []int{1, 2} {
			h.look("crm/fresh!")
			if o := h.run(); o.Untold != want || o.Channels[0].Err == "" {
				t.Errorf("outcome %+v, want %d untold", o, want)
			}
		}
	})
}

// Many processes, each with several runs at once.
func TestManyTellersAtOnceTellOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, "dev", "ops")
		tellers := []*Teller{h.newTeller(), h.newTeller(), h.newTeller(), h.newTeller()}
		for _, phone := range h.phones {
			phone.set(func(context.Context, holdfast.Message) error { time.Sleep(100 * time.Millisecond); return nil })
		}
		for _, open := range [][]string{{"crm/fresh!", "media/hash"}, {"crm/fresh!"}, {}} {
			h.look(open...)
			var group sync.WaitGroup
			for n := range 12 {
				group.Go(func() {
					if _, err := tellers[n%4].Run(context.Background(), h.in); err != nil && !errors.Is(err, holdfast.ErrConflict) {
						t.Error(err)
					}
				})
			}
			group.Wait()
			h.run() // what the losers of the race for the state had left
		}
		want := []string{
			"dev: opened crm/fresh!", "dev: opened media/hash", "dev↩: resolved media/hash", "dev↩: resolved crm/fresh!",
			"ops: opened crm/fresh!", "ops: opened media/hash", "ops↩: resolved media/hash", "ops↩: resolved crm/fresh!",
		}
		h.wantSaid(want...)
	})
}

func TestAThousandAlertsAreOneMessageAndABoundedState(t *testing.T) {
	h := newHouse(t, "dev", "ops")
	all := make([]string, 1000)
	for n := range all {
		all[n] = fmt.Sprintf("job-%04d/fresh!", n)
	}
	h.look(all...)
	for n := range h.in.Open {
		h.in.Open[n].Summary, h.in.Open[n].Hint = strings.Repeat("x", 100_000), "holdfast backups web1/crm"
	}
	h.run()
	for name, phone := range h.phones {
		got := phone.take()
		if len(got) != 1 || len(got[0].Items) != maxItems || got[0].More != 1000-maxItems {
			t.Fatalf("%s was sent %d messages", name, len(got))
		}
	}
	body, _, err := h.vault.Load(t.Context(), StateKey)
	if err != nil || len(body) > 1_500_000 {
		t.Errorf("the state has %d bytes, %v", len(body), err)
	}
	h.now = h.now.Add(time.Hour)
	h.look(all[:1]...)
	h.run()
	got := h.phones["ops"].take()
	if len(got) != 1 || got[0].More != 999-maxItems || len(got[0].Thread.Items) != maxItems || got[0].Thread.More != 1000-maxItems || got[0].Thread.Open != 1 || got[0].Thread.Over() {
		t.Fatalf("the end of 999: %d messages", len(got))
	}
	h.run()
	if n := len(h.state().Incidents); n > maxItems {
		t.Errorf("%d incidents are remembered beside the one that is open, want at most %d", n-1, maxItems-1)
	}
	h.now = h.now.Add(time.Hour)
	h.look()
	h.run()
	h.now = h.now.Add(flapWindow)
	h.look()
	h.run()
	if body, _, _ := h.vault.Load(t.Context(), StateKey); len(body) > 400 {
		t.Errorf("all is well, and the state is still %s", body)
	}
}

func TestWhatIsGivenUpIsCounted(t *testing.T) {
	h := newHouse(t, "ops")
	h.phones["ops"].set(down)
	h.look("crm/fresh!", "media/fresh!")
	h.run()
	h.look()
	h.run()
	h.now = h.now.Add(giveUp)
	h.look()
	if o := h.run(); o.Dropped != 2 {
		t.Errorf("%d given up, want 2", o.Dropped)
	}
}
