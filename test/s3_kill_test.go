package test

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestARunOutlivesAServerKilledWhileItTalksToTheStore(t *testing.T) {
	t.Parallel()
	s, h, g := gated(t, newS3Site(t, "  crm: {}\n"), random("crm", "9M", ""))
	for n, c := range []struct {
		name, call string
		done       bool // the store has done it when the server is killed
	}{
		{"before the start", "start", false}, {"after the start", "start", true},
		{"before the parts are put together", "complete", false}, {"after the parts are put together", "complete", true},
		{"before the manifest", "manifest", false}, {"after the manifest", "manifest", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var once sync.Once
			killed := make(chan struct{})
			g.let(func(_ http.ResponseWriter, r *http.Request) bool {
				if s3Call(r) != c.call {
					return false
				}
				once.Do(func() {
					if c.done {
						g.pass(r)
					}
					_ = s.server.Process.Kill()
					close(killed)
					panic(http.ErrAbortHandler)
				})
				return false
			})
			r := h.begin("run")
			r.until("the server to be killed", func() bool {
				select {
				case <-killed:
					return true
				default:
					return false
				}
			})
			s.kill()
			s.serve(g.listen, "holdfast")
			s.want(r.wait(), 0)
			if got := s.listed("crm"); len(got) != n+1 {
				t.Errorf("backups: got %+v, want %d", got, n+1)
			}
		})
	}
	g.open()
	s.restores("crm")
	s.swept()
}

func TestAStoreThatIsGoneInTheMiddleOfARun(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, more string
		back       bool
		code       int
	}{
		{"and comes back", "", true, 0},
		{"for good", "    timeout: 4s\n", false, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			pipe := fifo(t)
			s, h, g := gated(t, newS3Site(t, "  crm: {}\n"), script("crm", "head -c 20M /dev/urandom; cat "+pipe+"; head -c 20M /dev/urandom", c.more))
			r := h.begin("run")
			r.until("two parts", func() bool { return s.parts() == 2 })
			var missed atomic.Int64
			g.let(func(w http.ResponseWriter, r *http.Request) bool {
				if isBroker(r) {
					return false
				}
				missed.Add(1)
				reset(w)
				return true
			})
			goOn(t, pipe)
			r.until("the store to be missed", func() bool { return missed.Load() >= 3 })
			if c.back {
				g.open()
			}
			end := s.want(r.wait(), c.code)
			g.open()
			if c.code != 0 && !strings.Contains(end.out, "not finished within 4s") {
				t.Errorf("outcome: %s", end.out)
			}
			s.committed("crm", 1-c.code)
			s.swept()
		})
	}
}

// A URL that was signed is good for a quarter of an hour, which the clock of
// server and pusher shortens to seconds. The store's is the true one.
func TestAPartWhoseURLTheStoreSaysHasExpiredIsSignedAgain(t *testing.T) {
	t.Parallel()
	s := newS3Site(t, "  crm: {}\n")
	g := newGate(t, s)
	h := s.addHost("web1", []string{"crm"}, random("crm", "20M", ""))
	c := newClock(t, -15*time.Minute+2*time.Second)
	s.serve(g.listen, "skewed/holdfast", c.env())
	var held, refused, stored atomic.Int64
	var last atomic.Pointer[time.Time] // until when the URLs are good
	b := newBarrier(t)
	g.let(func(w http.ResponseWriter, r *http.Request) bool {
		if !isPart(r) {
			return false
		}
		if held.Add(1) <= 3 {
			end := endOf(r.URL.Query())
			last.Store(&end)
			b.hold()
		}
		answer := g.pass(r)
		switch answer.Code {
		case http.StatusForbidden:
			refused.Add(1)
		case http.StatusOK:
			stored.Add(1)
		}
		deliver(w, answer)
		return true
	})
	r := h.beginAt(c, "run")
	r.until("all three URLs to end", func() bool { return held.Load() == 3 && time.Since(*last.Load()) > time.Second })
	c.set(0)
	b.open()
	s.want(r.wait(), 0)
	// Where the refusal came before all of the part was sent, it is lost.
	if n := refused.Load() + g.lost.Load(); n != 3 || stored.Load() != 3 {
		t.Errorf("parts refused and stored: got %d and %d, want 3 and 3", n, stored.Load())
	}
	s.committed("crm", 1)
	s.swept()
}

// endOf returns when the store takes a signed URL no longer.
func endOf(q url.Values) time.Time {
	signed, err := time.Parse("20060102T150405Z", q.Get("X-Amz-Date"))
	seconds, err2 := strconv.Atoi(q.Get("X-Amz-Expires"))
	if err != nil || err2 != nil {
		return time.Time{}
	}
	return signed.Add(time.Duration(seconds) * time.Second)
}

// The server's own calls follow the store's clock, as the SDK learns it; what it
// signs for hosts follows its own.
func TestAServerWhoseClockIsAnHourBehindTheStoreFailsTheRunAndDoesNoHarm(t *testing.T) {
	t.Parallel()
	s := newS3Site(t, "  crm: {}\n")
	g := newGate(t, s)
	h := s.addHost("web1", []string{"crm"}, random("crm", "9M", ""))
	c := newClock(t, -time.Hour)
	s.serve(g.listen, "skewed/holdfast", c.env())
	r := s.want(h.pusherAt(c, "run"), 1)
	if !strings.Contains(r.out, "403 Forbidden (AccessDenied)") {
		t.Errorf("outcome: %s", r.out)
	}
	s.committed("crm", 0)
	s.reported("crm", 1, "upload", "403")
	s.swept()
	c.set(0)
	s.want(h.pusherAt(c, "run"), 0)
	s.committed("crm", 1)
}
