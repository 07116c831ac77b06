package test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// onEverySSHServer runs a test once for each kind of server.
func onEverySSHServer(t *testing.T, test func(t *testing.T, deny []string, resumes bool)) {
	for _, s := range sshServers {
		t.Run(s.name, func(t *testing.T) { test(t, s.deny, s.resumes) })
	}
}

// A pusher is killed as the server takes its nth request: in the data, between data
// and manifest, in the manifest.
func TestSFTPPusherKilledAtAnyRequestLeavesAWholeBackupOrNone(t *testing.T) {
	onEverySSHServer(t, func(t *testing.T, deny []string, _ bool) {
		var requests, killAt atomic.Int64
		var victim atomic.Pointer[running]
		var one sync.Mutex
		stop := func() {} // no more of it comes to the server
		n := newNASSite(t, testenv.SSHDOptions{Deny: deny, Log: func(line string) {
			if !strings.Contains(line, "request ") {
				return
			}
			one.Lock()
			defer one.Unlock()
			if requests.Add(1) == killAt.Load() && victim.Load() != nil {
				stop()
				_ = victim.Load().command.Process.Kill()
			}
		}}, random("crm", "9M", ""), "")
		stop = n.proxy.Hold
		n.want(n.host.pusher("run"), 0) // makes directories, which later ones find
		requests.Store(0)
		n.want(n.host.pusher("run"), 0)
		whole, all := 2, requests.Load()
		if all < 40 {
			t.Fatalf("a run is %d requests, want the log of all", all)
		}
		killed := 0
		for _, at := range []int64{3, all / 2, all - 16, all - 10, all - 6, all - 4} {
			victim.Store(nil)
			requests.Store(0)
			killAt.Store(at)
			r := n.host.begin("run")
			victim.Store(r)
			end := r.wait()
			one.Lock()
			killAt.Store(0)
			n.proxy.Release()
			one.Unlock()
			if end.signaled {
				killed++
			} else {
				n.want(end, 0) // it was done already
			}
			got := len(n.listed("crm"))
			if other := len(n.local.listed("crm")); got < whole || got > whole+1 || other != got {
				t.Fatalf("killed at request %d of %d: %d backups by SFTP, %d in the directory, want %d or one more", at, all, got, other, whole)
			}
			whole = got
		}
		killAt.Store(0)
		if killed < 4 {
			t.Errorf("%d were killed", killed)
		}
		n.holds(whole)
		n.want(n.host.pusher("run"), 0)
		n.holds(whole + 1)
		n.restored()
		n.tidied()
		n.holds(whole + 1)
	})
}

func TestSFTPServerThatFillsUp(t *testing.T) {
	onEverySSHServer(t, func(t *testing.T, deny []string, _ bool) {
		n := newNASSite(t, testenv.SSHDOptions{Deny: deny, Size: 24 << 20}, random("crm", "6M", ""), "  here: { disk: { path: "+t.TempDir()+" } }\n")
		n.want(n.host.pusher("run"), 0)
		write(t, n.host.config, strings.Replace(read(t, n.host.config), "head -c 6M", "head -c 40M", 1), 0o600)
		r := n.want(n.host.pusher("run"), 3) // the directory has it
		if !strings.Contains(r.out, "no space left") {
			t.Errorf("outcome: %s", r.out)
		}
		n.holds(1)
		n.tidied() // what can't be removed by the host makes way here
		write(t, n.host.config, strings.Replace(read(t, n.host.config), "head -c 40M", "head -c 6M", 1), 0o600)
		n.want(n.host.pusher("run"), 0)
		n.holds(2)
		n.restored()
	})
}

func TestSFTPConnectionThatIsCutAgainAndAgain(t *testing.T) {
	onEverySSHServer(t, func(t *testing.T, deny []string, resumes bool) {
		here := t.TempDir()
		n := newNASSite(t, testenv.SSHDOptions{Deny: deny}, random("crm", "40M", ""), "  here: { disk: { path: "+here+" } }\n")
		var cuts, at int64
		r := n.host.begin("run")
		var end result
		waitFor(t, "the run to end", func() bool {
			if size := n.growing(); size >= at+(5<<20) && cuts < 5 {
				n.proxy.Cut()
				cuts, at = cuts+1, size
			}
			select {
			case err := <-r.ended:
				end = ended(t, err, r.out.String(), r.errOut.String())
				return true
			default:
				return false
			}
		})
		switch {
		case cuts == 0:
			t.Error("nothing was cut")
		case resumes:
			n.want(end, 0)
			n.holds(1)
		default:
			// The other destination has it.
			n.want(end, 3)
			if !strings.Contains(end.out, "lets no file be opened again") {
				t.Errorf("outcome: %s", end.out)
			}
			n.holds(0)
		}
		other := n.view("here", "disk: { path: "+here+" }")
		other.committed("crm", 1)
		n.want(n.host.pusher("run"), 0)
		n.restored()
		n.tidied()
	})
}

func TestSFTPServerThatRestartsInTheMiddle(t *testing.T) {
	onEverySSHServer(t, func(t *testing.T, deny []string, resumes bool) {
		pipe := fifo(t)
		n := newNASSite(t, testenv.SSHDOptions{Deny: deny}, halting(pipe, ""), "")
		r := n.host.begin("run")
		r.until("two parts", func() bool { return n.growing() >= 16<<20 })
		n.server.Stop(t)
		goOn(t, pipe)
		n.server.Start(t)
		end := r.wait()
		if resumes {
			n.want(end, 0)
			n.holds(1)
		} else {
			n.want(end, 1)
			n.holds(0)
		}
		n.tidied()
		write(t, n.host.config, strings.Replace(read(t, n.host.config), "cat "+pipe, "true", 1), 0o600)
		n.want(n.host.pusher("run"), 0)
		n.restored()
	})
}

func TestSFTPServerThatStalls(t *testing.T) {
	onEverySSHServer(t, func(t *testing.T, deny []string, _ bool) {
		t.Parallel()
		pipe := fifo(t)
		n := newNASSite(t, testenv.SSHDOptions{Deny: deny}, halting(pipe, "    timeout: 5s\n"), "")
		r := n.host.begin("run")
		r.until("a part", func() bool { return n.growing() > 0 })
		n.proxy.Hold()
		goOn(t, pipe)
		if end := n.want(r.wait(), 1); !strings.Contains(end.out, "not finished within 5s") {
			t.Errorf("outcome: %s", end.out)
		}
		n.proxy.Release()
		n.holds(0)
		n.tidied()
		write(t, n.host.config, strings.Replace(strings.Replace(read(t, n.host.config), "cat "+pipe, "true", 1), "    timeout: 5s\n", "", 1), 0o600)
		n.want(n.host.pusher("run"), 0)
		n.holds(1)
	})
}

// A signal is no crash: what can be removed is.
func TestSFTPPusherThatIsStoppedTidiesUp(t *testing.T) {
	pipe := fifo(t)
	n := newNASSite(t, testenv.SSHDOptions{}, halting(pipe, ""), "")
	r := n.host.begin("run")
	r.until("a part", func() bool { return n.growing() > 0 })
	r.signal(syscall.SIGTERM)
	n.want(r.wait(), 1)
	if left, _ := filepath.Glob(filepath.Join(n.vault, ".uploads", "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := os.Stat(filepath.Join(n.vault, "reports")); err != nil {
		t.Errorf("nothing was reported: %v", err)
	}
	n.holds(0)
}
