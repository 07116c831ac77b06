package rounds_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/monitor"
	"github.com/holdfast-backup/holdfast/internal/rounds"
	"github.com/holdfast-backup/holdfast/internal/status"
	"github.com/holdfast-backup/holdfast/internal/vault/mem"
)

// people is a channel that keeps what it is told.
type people struct {
	mu   sync.Mutex
	told []holdfast.Message
	err  error
}

func (p *people) Send(_ context.Context, m holdfast.Message) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return "", p.err
	}
	p.told = append(p.told, m)
	return "", nil
}

// heard returns what they were told since the last time, as "opened web1/crm missing".
func (p *people) heard() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := []string{}
	for _, m := range p.told {
		for _, item := range m.Items {
			all = append(all, fmt.Sprintf("%s %s %s", item.Step, item.Finding.Subject(), item.Finding.Check))
		}
		if m.Kind == holdfast.KindDigest {
			all = append(all, fmt.Sprintf("digest of %d jobs", m.Overview.Jobs))
		}
	}
	p.told = nil
	return all
}

// watching is a vault, a Watcher over it, and who is told.
type watching struct {
	t      *testing.T
	vault  *mem.Vault
	clock  time.Time
	people *people
	w      *rounds.Watcher
	beats  []string
	swaps  map[string]int // by key
}

const watchingConfig = `
broker: { url: "https://b.example", secret: "env:S" }
vaults: { main: { disk: { path: /srv/b }, price: 0.02 USD } }
hosts: { web1: { key: "ed25519:WwjwA5yLaGIwpXh88E6tSxPUbnIpHb4XY4evZV59OUM", jobs: [crm] } }
alerts:
  channels: { ops: { shoutrrr: { url: "env:U" } } }
  heartbeat: { start: "BEATS/start", success: "BEATS/success", failure: "BEATS/failure" }
`

func newWatching(t *testing.T) *watching {
	t.Helper()
	h := &watching{t: t, clock: now, people: &people{}, swaps: map[string]int{}}
	beats := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		h.beats = append(h.beats, r.URL.Path)
	}))
	t.Cleanup(beats.Close)
	c, err := config.ParseHoldfast("holdfast.yaml", []byte(strings.ReplaceAll(watchingConfig, "BEATS", beats.URL)))
	if err != nil {
		t.Fatal(err)
	}
	registry, err := c.Registry()
	if err != nil {
		t.Fatal(err)
	}
	h.vault = mem.New(func() time.Time { return h.clock }, "http://vault.example")
	h.fault(func(string, string) error { return nil })
	h.w = rounds.NewWatcher(rounds.WatcherOptions{
		Rounds:   rounds.Rounds{Registry: func() *config.Registry { return registry }, Now: func() time.Time { return h.clock }},
		Channels: map[string]holdfast.Channel{"ops": h.people},
		Link:     func(_ context.Context, vault string) (string, error) { return "https://page.example/" + vault, nil },
		Program:  "holdfast test",
	})
	return h
}

// fault has the vault fail as f says, and counts what is swapped.
func (h *watching) fault(f func(op, key string) error) {
	h.vault.Fault = func(op, key string) error {
		err := f(op, key)
		if op == "Swap" && err == nil {
			h.swaps[key]++
		}
		return err
	}
}

func (h *watching) round() rounds.Watched {
	return h.w.Vault(h.t.Context(), "main", h.vault, monitor.Options{})
}

func (h *watching) hears(want ...string) {
	h.t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), h.people.heard()); diff != "" {
		h.t.Errorf("at %s (-want +got):\n%s", h.clock.Format(time.RFC3339), diff)
	}
}

func TestARoundTellsWhatHasChangedAndShowsIt(t *testing.T) {
	h := newWatching(t)
	if r := h.round(); !r.Fine() {
		t.Errorf("a round in which nothing is wrong is not fine: %+v", r)
	}
	h.hears()
	h.clock = h.clock.Add(27 * time.Hour)
	r := h.round()
	if !r.Fine() || len(r.Findings) != 1 {
		t.Errorf("a round that told what is wrong is not fine: %+v", r)
	}
	if got := h.people.told[0].Link; got != "https://page.example/main#main/web1/crm" {
		t.Errorf("link %q", got)
	}
	h.hears("opened web1/crm missing")
	h.round()
	h.hears()
	h.clock = h.clock.Add(24 * time.Hour)
	h.round()
	h.hears("reminder web1/crm missing")

	body, _, err := h.vault.Load(t.Context(), status.PageKey)
	if err != nil || !strings.Contains(string(body), "there is no good backup") {
		t.Errorf("the page does not show it: %v", err)
	}
	if s := h.w.Status(); len(s.Vaults) != 1 || s.Vaults[0].Jobs[0].State != status.Critical || s.Vaults[0].Cost == nil {
		t.Errorf("status %+v", s)
	}
}

func TestAVaultThatIsAwayIsToldOnceAndWhenItIsBack(t *testing.T) {
	h := newWatching(t)
	h.round()
	h.fault(func(string, string) error { return errors.New("away") })
	for range 3 {
		h.clock = h.clock.Add(5 * time.Minute)
		if r := h.round(); r.Fine() || r.Judging == nil {
			t.Errorf("a vault that is away: %+v", r)
		}
	}
	h.hears("opened vault reachable")
	if s := h.w.Status(); s.Vaults[0].Reachable || len(s.Vaults[0].Jobs) != 1 {
		t.Errorf("the page forgets what it knew: %+v", s)
	}
	h.fault(func(string, string) error { return nil })
	h.clock = h.clock.Add(5 * time.Minute)
	if r := h.round(); !r.Fine() {
		t.Errorf("a vault that is back: %+v", r)
	}
	h.hears("resolved vault reachable")
}

func TestWhatIsSilencedStaysSoWhileTheVaultIsAway(t *testing.T) {
	h := newWatching(t)
	h.round()
	err := alert.AddSilence(t.Context(), h.vault, alert.Silence{Host: "*", Job: "crm", From: h.clock, Until: h.clock.Add(48 * time.Hour)}, h.clock)
	if err != nil {
		t.Fatal(err)
	}
	h.clock = h.clock.Add(27 * time.Hour)
	h.round()
	h.hears()
	if j := h.w.Status().Vaults[0].Jobs[0]; j.Silenced.IsZero() || j.State != status.Critical {
		t.Errorf("the page shows %+v", j)
	}
	h.fault(func(string, string) error { return errors.New("away") })
	h.clock = h.clock.Add(5 * time.Minute)
	h.round()
	h.hears("opened vault reachable")
	h.fault(func(string, string) error { return nil })
	h.clock = h.clock.Add(24 * time.Hour)
	h.round()
	h.hears("opened web1/crm missing", "resolved vault reachable")
}

func TestARoundIsNotFineUntilPeopleWereTold(t *testing.T) {
	h := newWatching(t)
	h.round()
	h.people.err = errors.New("no service")
	h.clock = h.clock.Add(27 * time.Hour)
	if r := h.round(); r.Fine() || r.Judging != nil {
		t.Errorf("nobody was told, and the round is fine: %+v", r)
	}
	h.people.err = nil
	h.clock = h.clock.Add(5 * time.Minute)
	if r := h.round(); !r.Fine() {
		t.Errorf("people were told: %+v", r)
	}
	if got := h.people.heard(); !slices.Contains(got, "opened web1/crm missing") {
		t.Errorf("told %q", got)
	}
}

func TestWithoutChannelsAFindingIsNotFine(t *testing.T) {
	h := newWatching(t)
	registry, err := (&config.Holdfast{
		Vaults: map[string]config.Vault{"main": {}},
		Hosts:  map[string]config.Host{"web1": {Key: "ed25519:WwjwA5yLaGIwpXh88E6tSxPUbnIpHb4XY4evZV59OUM", Jobs: []string{"crm"}}},
	}).Registry()
	if err != nil {
		t.Fatal(err)
	}
	h.w = rounds.NewWatcher(rounds.WatcherOptions{
		Rounds: rounds.Rounds{Registry: func() *config.Registry { return registry }, Now: func() time.Time { return h.clock }},
	})
	if r := h.round(); !r.Fine() {
		t.Errorf("nothing is wrong: %+v", r)
	}
	h.clock = h.clock.Add(27 * time.Hour)
	if r := h.round(); r.Fine() {
		t.Error("something is wrong, and nobody can be told")
	}
}

func TestThePageIsWrittenWhenItChangesAndNowAndThen(t *testing.T) {
	h := newWatching(t)
	for range 7 { // every five minutes
		h.round()
		h.clock = h.clock.Add(5 * time.Minute)
	}
	if got := h.swaps[status.PageKey]; got != 3 { // at 0, 15 and 30 minutes
		t.Errorf("written %d times in half an hour, want 3", got)
	}
	h.clock = now.Add(27 * time.Hour)
	h.round()
	h.clock = h.clock.Add(time.Minute)
	h.round()
	if got := h.swaps[status.PageKey]; got != 4 {
		t.Errorf("written %d times after something has gone wrong, want once more", got)
	}
}

func TestAPageThatAnotherMonitorWroteIsReplaced(t *testing.T) {
	h := newWatching(t)
	h.round()
	body, tag, err := h.vault.Load(t.Context(), status.PageKey)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.vault.Swap(t.Context(), status.PageKey, []byte("another's"), tag); err != nil {
		t.Fatal(err)
	}
	h.clock = h.clock.Add(time.Hour)
	if r := h.round(); !r.Fine() {
		t.Errorf("not fine: %v", r.Showing)
	}
	again, _, err := h.vault.Load(t.Context(), status.PageKey)
	if err != nil || len(again) < len(body)/2 {
		t.Errorf("the page is %d bytes, %v", len(again), err)
	}
}

func TestWhatTheVaultHeldEarlierOutlivesTheProcess(t *testing.T) {
	h := newWatching(t)
	if err := h.vault.Put(t.Context(), "backups/web1/crm/x", make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	h.round()
	h.clock = h.clock.Add(30 * 24 * time.Hour)
	if err := h.vault.Put(t.Context(), "backups/web1/crm/y", make([]byte, 500)); err != nil {
		t.Fatal(err)
	}
	again := newWatching(t)
	again.vault, again.clock = h.vault, h.clock
	again.round()
	if v := again.w.Status().Vaults[0]; v.Growth == nil || *v.Growth != 500 || v.Stored != 1500 {
		t.Errorf("stored %d, growth %v, want 1500 and 500", v.Stored, v.Growth)
	}
}

func TestAHeartbeatSaysHowTheRoundWent(t *testing.T) {
	h := newWatching(t)
	for _, err := range []error{h.w.Begin(t.Context()), h.w.End(t.Context(), true), h.w.Begin(t.Context()), h.w.End(t.Context(), false)} {
		if err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff([]string{"/start", "/success", "/start", "/failure"}, h.beats); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestARoundThatIsCalledOffTellsNobody(t *testing.T) {
	h := newWatching(t)
	h.round()
	h.clock = h.clock.Add(27 * time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r := h.w.Vault(ctx, "main", h.vault, monitor.Options{}); r.Fine() {
		t.Error("it is fine")
	}
	h.hears()
}
