package test

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

func TestAPusherOutlivesARestartOfTheServer(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, s *site){
		"killed": func(_ *testing.T, s *site) { s.kill() },
		"stopped": func(t *testing.T, s *site) {
			if code := s.stop(); code != 0 {
				t.Errorf("exit code of the server: got %d, want 0", code)
			}
		},
	} {
		t.Run(name+" between parts", func(t *testing.T) {
			beats, pipe := newHeartbeats(t), fifo(t)
			s, h, g := gatedSite(t, script("crm", "head -c 20M /dev/urandom; cat "+pipe+"; head -c 20M /dev/urandom", beats.yaml()))
			r := h.begin("run")
			r.until("two parts", func() bool { return s.parts() == 2 })
			end(t, s)
			goOn(t, pipe)
			r.until("the pusher to miss the server", func() bool { return g.lost.Load() > 0 })
			s.serve(g.listen, "holdfast")
			s.want(r.wait(), 0)
			beats.were(t, "start", "success")
			s.committed("crm", 1)
			s.want(s.holdfast("monitor"), 0)
			s.swept()
		})
	}
	t.Run("killed within parts", func(t *testing.T) {
		s, h, g := gatedSite(t, random("crm", "40M", ""))
		b := newBarrier(t)
		g.let(func(_ http.ResponseWriter, r *http.Request) bool {
			if isPart(r) {
				b.within(r, holdfast.MinPartSize/3)
			}
			return false
		})
		r := h.begin("run")
		r.until("several parts to be on their way", func() bool { return b.waiting.Load() >= 3 })
		s.kill()
		g.open()
		b.open()
		r.until("the parts to break off", func() bool { return g.lost.Load() >= 3 })
		s.serve(g.listen, "holdfast")
		s.want(r.wait(), 0)
		s.committed("crm", 1)
		s.swept()
	})
}

func TestACommitOutlivesAServerKilledAtAnyMomentOfIt(t *testing.T) {
	s, h, g := gatedSite(t, random("crm", "9M", ""))
	moments := []moment{s.appears("crm.*"), s.appears(holdfast.ManifestFile)}
	for n := range time.Duration(10) { // from nothing to longer than a commit takes
		moments = append(moments, func() func() { return func() { <-time.After(2 * n * time.Millisecond) } })
	}
	for round, m := range moments {
		r := h.begin("run")
		g.killAtCommit(s, m)
		s.serve(g.listen, "holdfast")
		s.want(r.wait(), 0)
		if n := len(s.listed("crm")); n != round+1 {
			t.Fatalf("killed at moment %d: got %d backups, want %d", round, n, round+1)
		}
	}
	s.committed("crm", len(moments))
	if left := append(s.uploads(), s.uncommitted()...); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestDataWithoutItsManifestIsAnOrphan(t *testing.T) {
	s, h, g := gatedSite(t, random("crm", "9M", ""))
	// Server and pusher are killed when the data is there and before the manifest
	// is, which the commit may outrun.
	for range 50 {
		r := h.begin("run")
		g.killAtCommit(s, s.appears("crm.*"))
		r.signal(syscall.SIGKILL)
		r.wait()
		s.serve(g.listen, "holdfast")
		s.restores("crm")
		if s.count("crm.*") > s.count(holdfast.ManifestFile) {
			break
		}
	}
	if got := s.uncommitted(); len(got) != 1 {
		t.Fatalf("list --all shows %v that were not committed, want 1", got)
	}
	s.swept()
}

// count returns how many objects of the job crm have a name like that.
func (s *site) count(pattern string) int {
	found, _ := filepath.Glob(filepath.Join(s.vault, "backups", "*", "crm", "*", pattern))
	return len(found)
}

// moment is called before a commit goes on, and what it returns, while the commit
// does, waits for the moment.
type moment func() (wait func())

// appears is the moment at which there is one more of them; it spins, to be soon.
func (s *site) appears(pattern string) moment {
	return func() func() {
		before := s.count(pattern)
		return func() {
			for deadline := time.Now().Add(patience); s.count(pattern) == before && time.Now().Before(deadline); {
			}
		}
	}
}

// killAtCommit lets a commit go on and kills the server at a moment of it.
func (g *gate) killAtCommit(s *site, m moment) {
	g.t.Helper()
	var once sync.Once
	var killed atomic.Bool
	g.let(func(_ http.ResponseWriter, r *http.Request) bool {
		if isCommit(r) {
			once.Do(func() {
				wait := m()
				go func() {
					wait()
					_ = s.server.Process.Kill()
					killed.Store(true)
				}()
			})
		}
		return false
	})
	waitFor(g.t, "the moment of the commit", killed.Load)
	s.kill()
	g.open()
}

func TestAPusherOutlivesConnectionsResetWithinParts(t *testing.T) {
	s := newSite(t, "  crm: {}\n")
	p := newResetting(t, s, 5, holdfast.MinPartSize/3)
	h := s.addHost("web1", []string{"crm"}, random("crm", "20M", ""))
	s.serve(p.server, "holdfast")
	s.want(h.pusher("run"), 0)
	if left := p.left.Load(); left > 0 {
		t.Errorf("%d of the 5 resets never came", left)
	}
	s.committed("crm", 1)
	s.want(s.holdfast("monitor"), 0)
	s.swept()
}

func TestAPartWhoseURLHasExpiredIsSignedAgain(t *testing.T) {
	s := newSite(t, "  crm: {}\n")
	g := newGate(t, s)
	h := s.addHost("web1", []string{"crm"}, random("crm", "20M", ""))
	c := newClock(t, 0) // of both sides, and in order
	s.serve(g.listen, "skewed/holdfast", c.env())
	b := newBarrier(t)
	var mu sync.Mutex
	signed, refused, stored := map[int]int{}, 0, 0
	g.let(func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case isPart(r):
			b.hold()
			answer := g.pass(r)
			mu.Lock()
			defer mu.Unlock()
			switch answer.Code {
			case http.StatusForbidden:
				refused++
			case http.StatusOK:
				stored++
			}
			deliver(w, answer)
			return true
		case strings.HasSuffix(r.URL.Path, "/parts"):
			answer := g.pass(r)
			var parts api.PartsResponse
			_ = json.Unmarshal(answer.Body.Bytes(), &parts)
			mu.Lock()
			defer mu.Unlock()
			signed[len(parts.Requests)]++
			deliver(w, answer)
			return true
		}
		return false
	})
	r := h.beginAt(c, "run")
	r.until("all three parts to be on their way", func() bool { return b.waiting.Load() == 3 })
	c.set(16 * time.Minute) // a URL is good for 15
	b.open()
	s.want(r.wait(), 0)
	refused += int(g.lost.Load()) // where the refusal came before all of the part was sent
	if refused != 3 || stored != 3 || signed[1] != 6 {
		t.Errorf("parts refused, stored, signatures: got %d, %d, %v, want 3, 3, 6 of one part each", refused, stored, signed)
	}
	s.committed("crm", 1)
	s.swept()
}

func TestAStoreThatRefusesEveryPartFailsTheRun(t *testing.T) {
	beats := newHeartbeats(t)
	s, h, g := gatedSite(t, random("crm", "20M", beats.yaml()))
	g.let(func(w http.ResponseWriter, r *http.Request) bool {
		if isPart(r) {
			http.Error(w, "the signature is wrong or has expired", http.StatusForbidden)
		}
		return isPart(r)
	})
	s.want(h.pusher("run"), 1)
	beats.were(t, "start", "failure")
	s.committed("crm", 0)
	if left := append(s.uploads(), s.uncommitted()...); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	s.reported("crm", 1, "upload", "403")
	s.alarm(s.holdfast("monitor", "--json"), "crm", "failed-run")
}
