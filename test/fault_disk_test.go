package test

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// tmpfs makes dir a small disk of its own.
func tmpfs(t *testing.T, dir, options string) {
	t.Helper()
	must(t, os.MkdirAll(dir, 0o700))
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Fatalf("mount a small disk (needs root): %v", err)
	}
	t.Cleanup(func() { must(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
}

// fill fills the disk of dir and returns the file that does.
func fill(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "filler")
	file, err := os.Create(path)
	must(t, err)
	defer file.Close()
	block := make([]byte, 64<<10)
	for size := len(block); size > 0; {
		if _, err := file.Write(block[:size]); err != nil {
			size /= 2
		}
	}
	return path
}

func TestAVaultThatFillsUpFailsTheRunAndKeepsWhatItHas(t *testing.T) {
	beats := newHeartbeats(t)
	s, h := faultySite(t, random("crm", "10M", beats.yaml()))
	tmpfs(t, s.vault, "size=32m")
	s.start()
	s.want(h.pusher("run"), 0)
	beats.were(t, "start", "success")

	h.setJobs(random("crm", "60M", beats.yaml()))
	r := s.want(h.pusher("run"), 1)
	if !strings.Contains(r.out, "507") {
		t.Errorf("outcome: %s", r.out)
	}
	beats.were(t, "start", "failure")
	s.committed("crm", 1)
	if left := append(s.uploads(), s.uncommitted()...); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	s.reported("crm", 1, "upload", "507")
	s.alarm(s.holdfast("monitor", "--json"), "crm", "failed-run")

	h.setJobs(random("crm", "10M", beats.yaml())) // what failed has made way
	s.want(h.pusher("run"), 0)
	s.committed("crm", 2)
	s.swept()
}

func TestAVaultThatIsFullWhenABackupStarts(t *testing.T) {
	beats := newHeartbeats(t)
	s, h := faultySite(t, random("crm", "1M", beats.yaml()))
	tmpfs(t, s.vault, "size=32m")
	s.start()
	s.want(s.holdfast("monitor"), 0)
	filler := fill(t, s.vault)
	r := s.want(h.pusher("run"), 1)
	if !strings.Contains(r.out, "vault full") {
		t.Errorf("outcome: %s", r.out)
	}
	beats.were(t, "start", "failure")
	s.committed("crm", 0)
	s.alarm(s.inThreeDays("monitor", "--json", "--dry-run"), "crm", "missing")
	must(t, os.Remove(filler))
	s.want(h.pusher("run"), 0)
	s.committed("crm", 1)
	s.swept()
}

func TestAVaultThatIsFullWhenABackupIsCommitted(t *testing.T) {
	beats := newHeartbeats(t)
	s := newSite(t, "  crm: {}\n")
	g := newGate(t, s)
	h := s.addHost("web1", []string{"crm"}, random("crm", "10M", beats.yaml()))
	tmpfs(t, s.vault, "size=32m,nr_inodes=100")
	s.serve(g.listen, "holdfast")
	s.want(s.holdfast("monitor"), 0)
	b := newBarrier(t)
	g.let(func(_ http.ResponseWriter, r *http.Request) bool {
		if isCommit(r) {
			b.hold()
		}
		return false
	})
	r := h.begin("run")
	b.wait(r)
	// Not of bytes, which completing the upload frees, but of files.
	fillers := filepath.Join(s.vault, "fillers")
	must(t, os.Mkdir(fillers, 0o700))
	for n := 0; os.WriteFile(filepath.Join(fillers, strconv.Itoa(n)), nil, 0o600) == nil; n++ {
	}
	b.open()
	end := s.want(r.wait(), 1)
	if !strings.Contains(end.out, `"stage":"commit"`) || !strings.Contains(end.out, "vault full") {
		t.Errorf("outcome: %s", end.out)
	}
	beats.were(t, "start", "failure")
	must(t, os.RemoveAll(fillers))
	s.committed("crm", 0)
	s.alarm(s.inThreeDays("monitor", "--json", "--dry-run"), "crm", "missing")
	s.swept()
	g.open()
	s.want(h.pusher("run"), 0)
	s.committed("crm", 1)
}

func TestAFullSpoolFailsTheRunAndIsEmptiedAgain(t *testing.T) {
	beats, spool := newHeartbeats(t), t.TempDir()
	more := "    spool: " + spool + "\n" + beats.yaml()
	s, h := faultySite(t, random("crm", "20M", more))
	tmpfs(t, spool, "size=4m")
	s.start()
	r := s.want(h.pusher("run"), 1)
	if !strings.Contains(r.out, "no space left on device") {
		t.Errorf("outcome: %s", r.out)
	}
	beats.were(t, "start", "failure")
	empty(t, spool)
	s.committed("crm", 0)
	if left := append(s.uploads(), s.uncommitted()...); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	s.reported("crm", 1, "spool", "no space left on device")
	s.alarm(s.holdfast("monitor", "--json"), "crm", "failed-run")

	h.setJobs(random("crm", "2M", more))
	s.want(h.pusher("run"), 0)
	s.committed("crm", 1)
}

func TestARunThatCannotTakeItsLockIsHeardOf(t *testing.T) {
	beats := newHeartbeats(t)
	s, h := faultySite(t, random("crm", "1M", beats.yaml()))
	tmpfs(t, filepath.Join(h.dir, "state"), "size=64k,nr_inodes=1") // no room for one file
	s.start()
	r := s.want(h.pusher("run"), 1)
	if !strings.Contains(r.out, "no space left on device") {
		t.Errorf("outcome: %s", r.out)
	}
	beats.were(t, "failure")
	s.committed("crm", 0)
	s.reported("crm", 1, "lock", "no space left on device")
	s.alarm(s.holdfast("monitor", "--json"), "crm", "failed-run")
}
