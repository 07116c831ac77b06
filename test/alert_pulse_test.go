package test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// pulse is the service elsewhere that notices when a monitor is silent.
type pulse struct {
	*httptest.Server
	t *testing.T

	mu    sync.Mutex
	beats []beat
	gate  chan struct{} // closed to let rounds end; nil where none is held up
	held  int           // rounds that wait for it
}

// beat is a ping: start, success or failure.
type beat struct {
	kind string
	at   time.Time
}

func newPulse(t *testing.T) *pulse {
	t.Helper()
	p := &pulse{t: t}
	p.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		kind := strings.TrimPrefix(r.URL.Path, "/")
		if kind != "start" {
			p.pass(r.Context())
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.beats = append(p.beats, beat{kind, time.Now()})
	}))
	t.Cleanup(func() {
		p.open()
		p.CloseClientConnections()
		p.Close()
	})
	return p
}

// pass waits while the ends of rounds are held up.
func (p *pulse) pass(ctx context.Context) {
	p.mu.Lock()
	gate := p.gate
	if gate == nil {
		p.mu.Unlock()
		return
	}
	p.held++
	p.mu.Unlock()
	select {
	case <-gate:
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held--
}

// shut holds up the end of the round that is under way, and so the next one, which
// begins after it.
func (p *pulse) shut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gate = make(chan struct{})
}

// open lets rounds end.
func (p *pulse) open() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gate != nil {
		close(p.gate)
		p.gate = nil
	}
}

// still reports whether a round waits for its end.
func (p *pulse) still() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held > 0
}

// yaml is what the configuration says of it.
func (p *pulse) yaml() string {
	return fmt.Sprintf("{ start: %[1]s/start, success: %[1]s/success, failure: %[1]s/failure }", p.URL)
}

// all returns the beats so far.
func (p *pulse) all() []beat {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]beat(nil), p.beats...)
}

// ended returns how many rounds have ended.
func (p *pulse) ended() int { return p.count("success") + p.count("failure") }

func (p *pulse) count(kind string) int {
	n := 0
	for _, b := range p.all() {
		if b.kind == kind {
			n++
		}
	}
	return n
}

// wait waits until so many rounds have ended from now on.
func (p *pulse) wait(rounds int) {
	p.t.Helper()
	from := p.ended()
	waitFor(p.t, fmt.Sprintf("%d rounds", rounds), func() bool { return p.ended() >= from+rounds })
}

// waitFor waits for the next beat of a kind.
func (p *pulse) waitFor(kind string) {
	p.t.Helper()
	from := p.count(kind)
	waitFor(p.t, "a "+kind, func() bool { return p.count(kind) > from })
}

// silence waits until there was no beat for three rounds: when such a service
// would raise the alarm.
func (p *pulse) silence() {
	p.t.Helper()
	last := time.Now()
	seen := len(p.all())
	waitFor(p.t, "the heartbeat to end", func() bool {
		if n := len(p.all()); n != seen {
			seen, last = n, time.Now()
		}
		return time.Since(last) >= 3*round
	})
}

// longest returns how long the longest of the rounds took.
func (p *pulse) longest() time.Duration {
	var longest time.Duration
	var begun time.Time
	for _, b := range p.all() {
		switch {
		case b.kind == "start":
			begun = b.at
		case !begun.IsZero():
			longest = max(longest, b.at.Sub(begun))
		}
	}
	return longest
}
