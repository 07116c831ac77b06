package alert

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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
	h.run()
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

func TestChannelThatHangsHoldsTheRunForItsTimeAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, "dev", "ops")
		release, sends := make(chan struct{}), atomic.Int32{}
		h.phones["ops"].set(func(context.Context, holdfast.Message) error { sends.Add(1); <-release; return nil })
		for n, want := range [][]string{
			{"dev: opened crm/fresh!"},
			{"dev: opened vault/channel!"}, // the second failure in a row
			{},
		} {
			h.look("crm/fresh!")
			begun := time.Now()
			o := h.run()
			if took := time.Since(begun); n == 0 && took != DefaultSendTimeout+grace || n > 0 && took != 0 {
				t.Errorf("run %d took %s", n+1, took)
			}
			h.wantSaid(want...)
			if o.Channels[1].Err == "" || !o.Channels[1].Since.Equal(start) {
				t.Errorf("outcome of ops: %+v", o.Channels[1])
			}
			h.now = h.now.Add(time.Minute)
		}
		if n := sends.Load(); n != 1 {
			t.Errorf("%d messages under way at once", n)
		}
		close(release)
		synctest.Wait()
		h.phones["ops"].take() // it came after all, and nobody could know
		h.phones["ops"].set(nil)
		h.look("crm/fresh!")
		h.run()
		h.wantSaid("dev↩: resolved vault/channel!", "ops: opened crm/fresh!")
	})
}

func TestSlowChannelsAreSentToAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, "a", "b", "c")
		for _, phone := range h.phones {
			phone.set(func(ctx context.Context, _ holdfast.Message) error {
				select {
				case <-time.After(8 * time.Second):
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
		}
		h.look("crm/fresh!", "media/fresh!", "web2:crm/fresh!")
		begun := time.Now()
		h.run()
		if took := time.Since(begun); took != DefaultSendTimeout {
			t.Errorf("took %s, want %s: two messages each, and the third cut off", took, DefaultSendTimeout)
		}
		if said := h.said(); len(said) != 6 {
			t.Errorf("sent %v", said)
		}
		h.look("crm/fresh!", "media/fresh!", "web2:crm/fresh!")
		h.run()
		if said := h.said(); len(said) != 3 {
			t.Errorf("then sent %v, want the rest", said)
		}
	})
}

func TestErrorsOfChannelsHoldNoSecretsOfPanics(t *testing.T) {
	h, broken := newHouse(t, "ops"), (*holdfast.RetryAfterError)(nil)
	for name, tt := range map[string]struct {
		send func(context.Context, holdfast.Message) error
		want string
	}{
		"an error":                {down, errDown.Error()},
		"a panic with a text":     {func(context.Context, holdfast.Message) error { panic("https://hooks.example.com/secret") }, "it panicked with a string"},
		"a panic of the runtime":  {func(context.Context, holdfast.Message) error { return broken.Err }, "it panicked: runtime error: invalid memory address or nil pointer dereference"},
		"an end of the goroutine": {func(context.Context, holdfast.Message) error { return fmt.Errorf("two\nlines") }, `two\nlines`},
	} {
		h.phones["ops"].set(tt.send)
		h.look("crm/fresh!")
		if o := h.run(); o.Channels[0].Err != tt.want || o.Channels[0].Sent != 0 {
			t.Errorf("%s: outcome %+v, want %q", name, o.Channels[0], tt.want)
		}
	}
}

func TestChannelThatIsNotSetUpFails(t *testing.T) {
	h := newHouse(t, "ops")
	h.rules.Channels["gone"] = Rule{}
	for range 2 {
		h.look("crm/fresh!")
		h.run()
	}
	h.wantSaid("ops: opened crm/fresh!", "ops: opened vault/channel!")
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

func TestRunThatWasEndedFromOutsideSaysNothingOfTheChannel(t *testing.T) {
	h := newHouse(t, "ops")
	ctx, cancel := context.WithCancel(t.Context())
	h.phones["ops"].set(func(ctx context.Context, _ holdfast.Message) error { cancel(); <-ctx.Done(); return ctx.Err() })
	h.look("crm/fresh!")
	o, err := h.teller.Run(ctx, h.in)
	if err != nil || !o.Remembered || o.Untold != 1 {
		t.Errorf("outcome %+v, %v", o, err)
	}
	if c := h.state().Channels["ops"]; c.Fails != 0 || c.Claim != nil {
		t.Errorf("the state says %+v of the channel", c)
	}
	if _, err := h.teller.Run(ctx, h.in); !errors.Is(err, context.Canceled) {
		t.Errorf("a run that begins too late: %v", err)
	}
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

func TestDigestComesWhenItIsDueAndNotAtFirst(t *testing.T) {
	h := newHouse(t, "ops")
	weekly := func(now time.Time) time.Time { // Mondays at 8
		return time.Date(2025, 10, 27, 8, 0, 0, 0, time.UTC).Add(now.Sub(time.Date(2025, 10, 27, 8, 0, 0, 0, time.UTC)).Truncate(7 * day))
	}
	h.rules.Channels["ops"] = Rule{Digest: weekly}
	h.in.Overview = func(since time.Time) holdfast.Overview { return holdfast.Overview{From: since} }
	for _, step := range []struct {
		after time.Duration
		part  bool
		down  bool
		want  string
	}{
		{after: 0},
		{after: 5 * day},
		{after: 6 * day, part: true},
		{after: 6 * day, down: true},
		{after: 6*day + time.Hour, want: "ops: digest since 27 Oct"},
		{after: 6*day + 2*time.Hour},
		{after: 27 * day, want: "ops: digest since 3 Nov"}, // one for several that were missed
		{after: 27 * day},
	} {
		h.now = start.Add(step.after)
		h.in.Whole = !step.part
		h.phones["ops"].set(nil)
		if step.down {
			h.phones["ops"].set(down)
		}
		h.look()
		h.run()
		want := []string{}
		if step.want != "" {
			want = append(want, step.want)
		}
		if diff := cmp.Diff(want, h.said()); diff != "" {
			t.Errorf("after %s (-want +got):\n%s", step.after, diff)
		}
	}
}

func backupOf(at time.Time) Job {
	id := holdfast.ID(at.UTC().Format("20060102T150405Z") + "-9f3c2a7d")
	return Job{Last: &holdfast.LastBackup{ID: id, Size: 5000}}
}

func TestGoodNewsIsToldToThoseWhoWantIt(t *testing.T) {
	h := newHouse(t, "dev", "ops")
	h.rules.Wants = func(channel, _, _ string, event holdfast.Event) bool { return event.Bad() || channel == "ops" }
	crm, media := holdfast.JobName{Host: "web1", Job: "crm"}, holdfast.JobName{Host: "web1", Job: "media"}
	h.in.Jobs = map[holdfast.JobName]Job{crm: backupOf(start.Add(-time.Hour)), media: {}}
	h.in.Cleaned = Cleaned{At: start.Add(-time.Hour), Deleted: 1}
	h.look()
	h.run()
	h.wantSaid() // what was there already is no news

	h.now = start.Add(2 * time.Hour)
	h.in.Jobs = map[holdfast.JobName]Job{crm: backupOf(start.Add(time.Hour)), media: backupOf(start.Add(time.Hour))}
	h.in.Cleaned = Cleaned{At: start.Add(time.Hour), Deleted: 3, Freed: 1000}
	h.look()
	h.phones["ops"].set(down)
	h.run()
	h.phones["ops"].set(nil)
	h.run()
	h.wantSaid("ops: backup-succeeded web1/crm + backup-succeeded web1/media + healthy web1/media + cleanup-succeeded vault")
	h.run()
	h.wantSaid()

	h.in.Jobs, h.in.Whole = nil, true // the vault was away, and is back
	h.look()
	h.run()
	h.in.Jobs = map[holdfast.JobName]Job{crm: backupOf(start.Add(time.Hour)), media: backupOf(start.Add(time.Hour))}
	h.look("crm/hash", "crm/fresh!")
	h.run()
	h.wantSaid("dev: opened crm/fresh! + opened crm/hash", "ops: opened crm/fresh! + opened crm/hash")
	h.look("crm/hash")
	h.run()
	h.look()
	h.run()
	h.wantSaid("dev↩: resolved crm/fresh!", "dev↩: resolved crm/hash", "ops↩: resolved crm/fresh!", "ops↩: resolved crm/hash", "ops: healthy web1/crm")

	h.phones["ops"].set(down)
	for n := range maxNews + 50 {
		h.now = h.now.Add(time.Minute)
		h.in.Jobs = map[holdfast.JobName]Job{crm: backupOf(start.Add(time.Duration(3+n) * time.Hour / 2))}
		h.look()
		h.run()
	}
	if n := len(h.state().Channels["ops"].News); n > maxNews || n == 0 {
		t.Errorf("%d pieces of news wait, want at most %d", n, maxNews)
	}
	h.now = h.now.Add(7 * day)
	h.phones["ops"].set(nil)
	h.look()
	h.run()
	if said := h.said(); slices.ContainsFunc(said, func(s string) bool { return strings.Contains(s, "backup-succeeded") }) {
		t.Errorf("news of last week: %v", said)
	}
}
