package alert

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/vault/mem"
)

const day = 24 * time.Hour

// start is when every test begins: a Tuesday.
var start = time.Date(2025, 10, 28, 12, 0, 0, 0, time.UTC)

// phone is a channel that keeps what it was sent.
type phone struct {
	mu   sync.Mutex
	got  []holdfast.Message
	send func(ctx context.Context, m holdfast.Message) error // before it is taken; nil to take all
}

func (p *phone) Send(ctx context.Context, m holdfast.Message) (string, error) {
	p.mu.Lock()
	send := p.send
	p.mu.Unlock()
	if send != nil {
		if err := send(ctx, m); err != nil {
			return "", err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = append(p.got, m)
	return "posted-" + m.ID, nil
}

func (p *phone) set(send func(context.Context, holdfast.Message) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.send = send
}

// take returns what came since it was last asked.
func (p *phone) take() []holdfast.Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	got := p.got
	p.got = nil
	return got
}

// house is a vault, some channels, and what is wrong at this moment.
type house struct {
	t      rapid.TB
	vault  *mem.Vault
	now    time.Time
	phones map[string]*phone
	rules  Rules
	teller *Teller
	in     Input
	fault  func(op, key string) error
	// revision counts the looks.
	revision int64
}

func newHouse(t rapid.TB, channels ...string) *house {
	h := &house{t: t, now: start, phones: map[string]*phone{}}
	h.vault = mem.New(func() time.Time { return h.now }, "http://vault.example.com")
	h.vault.Fault = func(op, key string) error {
		if h.fault != nil {
			return h.fault(op, key)
		}
		return nil
	}
	h.rules.Channels = map[string]Rule{}
	for _, name := range channels {
		h.phones[name] = &phone{}
		h.rules.Channels[name] = Rule{Remind: day}
	}
	h.in.Whole = true
	h.in.Jobs = map[holdfast.JobName]Job{}
	h.teller = h.newTeller()
	return h
}

func (h *house) newTeller() *Teller {
	channels := map[string]holdfast.Channel{}
	for name, p := range h.phones {
		channels[name] = p
	}
	return NewTeller(h.vault, Options{
		Channels: channels, Now: func() time.Time { return h.now },
		Rules: func() Rules {
			rules := h.rules
			rules.Channels = maps.Clone(rules.Channels)
			return rules
		},
	})
}

// finding reads "crm/fresh!" and "web2:media/hash": a job of web1 or of another
// host and a check, critical with a !; "vault/versioning" is of no job.
func finding(text string) holdfast.Finding {
	f := holdfast.Finding{Severity: holdfast.Warning, Host: "web1"}
	if strings.HasSuffix(text, "!") {
		text, f.Severity = strings.TrimSuffix(text, "!"), holdfast.Critical
	}
	if host, rest, ok := strings.Cut(text, ":"); ok {
		f.Host, text = host, rest
	}
	f.Job, f.Check, _ = strings.Cut(text, "/")
	if f.Job == "vault" {
		f.Host, f.Job = "", ""
	}
	f.Summary = f.Subject() + " is not well"
	return f
}

// text is the reverse of finding.
func text(f holdfast.Finding) string {
	s := f.Host + ":" + f.Job + "/" + f.Check
	switch f.Host {
	case "":
		s = "vault/" + f.Check
	case "web1":
		s = f.Job + "/" + f.Check
	}
	if f.Severity == holdfast.Critical {
		s += "!"
	}
	return s
}

// look sets what is open, as a new look of the monitor.
func (h *house) look(open ...string) {
	h.revision++
	h.in.Revision, h.in.At, h.in.Open = h.revision, h.now, nil
	for _, text := range open {
		h.in.Open = append(h.in.Open, finding(text))
	}
}

// run runs the Teller and demands that what it told was saved.
func (h *house) run() Outcome {
	h.t.Helper()
	outcome, err := h.teller.Run(context.Background(), h.in)
	if err != nil {
		h.t.Fatal(err)
	}
	return outcome
}

// said returns what the channels were sent since they were last asked, as
// "ops: opened crm/fresh!"; ops↩ for what goes on from a thread.
func (h *house) said() []string {
	all := []string{}
	for _, name := range slices.Sorted(maps.Keys(h.phones)) {
		for _, m := range h.phones[name].take() {
			all = append(all, words(name, m))
		}
	}
	return all
}

func words(channel string, m holdfast.Message) string {
	if m.Thread != nil {
		channel += "↩"
	}
	if m.Kind == holdfast.KindDigest {
		return channel + ": digest since " + m.Overview.From.Format("2 Jan")
	}
	items := []string{}
	for _, i := range m.Items {
		what := fmt.Sprintf("%s %s", i.Step, text(i.Finding))
		if i.Step == holdfast.News {
			what = fmt.Sprintf("%s %s", i.Event, i.Finding.Subject())
		}
		items = append(items, what)
	}
	if m.More > 0 {
		items = append(items, fmt.Sprintf("%d more", m.More))
	}
	return channel + ": " + strings.Join(items, " + ")
}

func (h *house) state() *state {
	h.t.Helper()
	body, _, err := h.vault.Load(context.Background(), StateKey)
	if err != nil {
		h.t.Fatal(err)
	}
	st, err := decodeState(body)
	if err != nil {
		h.t.Fatal(err)
	}
	return st
}

var errDown = errors.New("503 service unavailable")

func down(context.Context, holdfast.Message) error { return errDown }
