package test

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/holdfast-backup/holdfast"
)

// A pusher is killed where it waits at the barrier.
var killStages = []struct {
	name      string
	orphan    bool // something is left behind for the sweep
	committed int
	at        func(g *gate, b *barrier) judge
}{
	{"before the start", false, 0, func(_ *gate, b *barrier) judge {
		return func(_ http.ResponseWriter, r *http.Request) bool { return isStart(r) && stopAt(b) }
	}},
	{"after the start", true, 0, func(g *gate, b *barrier) judge {
		return func(_ http.ResponseWriter, r *http.Request) bool {
			return isStart(r) && g.pass(r) != nil && stopAt(b)
		}
	}},
	{"within the first parts", true, 0, func(_ *gate, b *barrier) judge {
		return func(_ http.ResponseWriter, r *http.Request) bool {
			if isPart(r) {
				b.within(r, holdfast.MinPartSize/3)
			}
			return false
		}
	}},
	{"between parts", true, 0, func(g *gate, b *barrier) judge {
		var one sync.Mutex
		sent := 0
		return func(w http.ResponseWriter, r *http.Request) bool {
			if !isPart(r) {
				return false
			}
			one.Lock()
			defer one.Unlock()
			if sent == 2 {
				return stopAt(b)
			}
			sent++
			deliver(w, g.pass(r))
			return true
		}
	}},
	{"before the commit", true, 0, func(_ *gate, b *barrier) judge {
		return func(_ http.ResponseWriter, r *http.Request) bool { return isCommit(r) && stopAt(b) }
	}},
	{"after the commit", false, 1, func(g *gate, b *barrier) judge {
		return func(_ http.ResponseWriter, r *http.Request) bool {
			return isCommit(r) && g.pass(r) != nil && stopAt(b)
		}
	}},
}

// stopAt holds a request that goes no further.
func stopAt(b *barrier) bool {
	b.hold()
	panic(http.ErrAbortHandler)
}

func TestAPusherKilledAtAnyStageLeavesAWholeBackupOrNone(t *testing.T) {
	onEveryVault(t, aPusherKilledAtAnyStageLeavesAWholeBackupOrNone)
}

func aPusherKilledAtAnyStageLeavesAWholeBackupOrNone(t *testing.T, newSite func(t *testing.T, jobs string) *site) {
	for _, stage := range killStages {
		t.Run(stage.name, func(t *testing.T) {
			s, h, g := gated(t, newSite(t, "  crm: {}\n"), random("crm", "40M", ""))
			b := newBarrier(t)
			g.let(stage.at(g, b))
			r := h.begin("run")
			b.wait(r)
			r.signal(syscall.SIGKILL)
			if end := r.wait(); !end.signaled {
				t.Fatalf("the pusher was not killed: %+v", end)
			}
			s.committed("crm", stage.committed)
			if got := len(s.uncommitted()); got > 1 || (got == 1) != stage.orphan {
				t.Errorf("list --all shows %d that were not committed, want one: %t", got, stage.orphan)
			}
			// Nobody was left to report it: that the backup is late is what tells.
			if stage.committed == 0 {
				s.alarm(s.inThreeDays("monitor", "--json", "--dry-run"), "crm", "missing")
			} else {
				s.want(s.holdfast("monitor"), 0)
			}
			s.swept()

			g.open()
			s.want(h.pusher("run"), 0)
			s.committed("crm", stage.committed+1)
			s.want(s.holdfast("monitor"), 0)
		})
	}
}

func TestWhatAKilledPusherSpooledMakesWayForTheNextRun(t *testing.T) {
	spool := t.TempDir()
	tmpfs(t, spool, "size=32m") // room for one dump
	s, h, g := gatedSite(t, random("crm", "20M", "    spool: "+spool+"\n"))
	b := newBarrier(t)
	g.let(func(_ http.ResponseWriter, r *http.Request) bool { return isPart(r) && stopAt(b) })
	r := h.begin("run")
	b.wait(r)
	r.signal(syscall.SIGKILL)
	r.wait()
	if left, _ := filepath.Glob(filepath.Join(spool, "crm", "*", "*")); len(left) != 1 {
		t.Fatalf("in the spool: got %v, want the dump", left)
	}
	g.open()
	s.want(h.pusher("run"), 0)
	empty(t, spool)
	s.committed("crm", 1)
	s.swept()
}

func TestASignalAbortsARunCleanly(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			beats, pipe, dir := newHeartbeats(t), fifo(t), t.TempDir()
			dump := "echo $$ > " + dir + "/pid; head -c 20M /dev/urandom; cat " + pipe
			s, h := faultySite(t, script("crm", dump, beats.yaml()+"    hooks: { post: [\"echo $HOLDFAST_STATUS > "+dir+"/post\"] }\n"))
			s.start()
			r := h.begin("run")
			r.until("two parts", func() bool { return s.parts() >= 2 })
			r.signal(sig)
			s.want(r.wait(), 1)

			pid, err := strconv.Atoi(strings.TrimSpace(read(t, dir+"/pid")))
			must(t, err)
			if _, err := os.Stat("/proc/" + strconv.Itoa(pid)); err == nil {
				t.Error("the dump tool still runs")
			}
			if got := read(t, dir+"/post"); got != "failed\n" {
				t.Errorf("the post hook was told %q, want failed", got)
			}
			beats.were(t, "start", "failure")
			s.committed("crm", 0)
			if left := append(s.uploads(), s.uncommitted()...); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			s.reported("crm", 1, "dump", "stopped")
			s.alarm(s.holdfast("monitor", "--json"), "crm", "failed-run")
		})
	}
}

func TestOfTwoRunsOfAJobAtOnceOneIsRefused(t *testing.T) {
	beats, pipe := newHeartbeats(t), fifo(t)
	s, h := faultySite(t, script("crm", "head -c 20M /dev/urandom; cat "+pipe, beats.yaml()))
	s.start()
	first := h.begin("run")
	first.until("two parts", func() bool { return s.parts() >= 2 })
	if r := s.want(h.begin("run").wait(), 1); !strings.Contains(r.errOut, "is running already") {
		t.Errorf("stderr of the second: %s", r.errOut)
	}
	beats.were(t, "start") // the second is silent: the first will be heard of
	goOn(t, pipe)
	s.want(first.wait(), 0)
	beats.were(t, "success")
	s.committed("crm", 1)
	if got := s.reports("crm"); len(got) > 0 {
		t.Errorf("reports: got %+v, want none", got)
	}
	s.want(s.holdfast("monitor"), 0)
	s.swept()
}

func TestTwoRunsWithoutACommonLockAreTwoBackups(t *testing.T) {
	s, h, g := gatedSite(t, random("crm", "20M", ""))
	b := newBarrier(t)
	g.let(func(_ http.ResponseWriter, r *http.Request) bool {
		if isCommit(r) {
			b.hold()
		}
		return false
	})
	first := h.begin("run")
	b.wait(first)
	write(t, h.config, strings.Replace(read(t, h.config), "/state\n", "/elsewhere\n", 1), 0o600)
	second := h.begin("run")
	second.until("both to commit", func() bool { return b.waiting.Load() == 2 })
	b.open()
	s.want(first.wait(), 0)
	s.want(second.wait(), 0)
	s.committed("crm", 2)
	s.swept()
}
