package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

const (
	// maxRSS is the most memory that the pusher may ever occupy, in bytes.
	maxRSS = 96 << 20
	// noise is by how much the peaks of equal runs differ: two parts' worth.
	noise = 16 << 20
)

func TestThePusherNeedsTheSameMemoryForAnySize(t *testing.T) {
	s := newSite(t, "  big: { max_per_day: 10 }\n")
	h := s.addHost("web1", []string{"big"}, "  big: { sources: [{ command: { run: [x] } }] }\n")
	s.start()
	// Random bytes do not compress: what is read is also what is buffered and sent.
	peak := func(size int64) int64 {
		h.setJobs(fmt.Sprintf("  big: { sources: [{ command: { run: [head, -c, %q, /dev/urandom] } }] }\n", fmt.Sprint(size)))
		rss := s.peak(h.pusherCommand("run", "big"))
		s.want(s.holdfast("clean", "--keep", "1", "--force"), 0)
		return rss
	}
	// What the garbage collector leaves differs between runs of the same size.
	small := max(peak(256<<20), peak(256<<20), peak(256<<20))
	large := peak(4 << 30)
	t.Logf("peak RSS: %d MiB at 256 MiB, %d MiB at 4 GiB", small>>20, large>>20)
	if small > maxRSS || large > maxRSS {
		t.Errorf("peak RSS: got %d MiB at 256 MiB and %d MiB at 4 GiB, want at most %d MiB", small>>20, large>>20, maxRSS>>20)
	}
	if large > small+noise {
		t.Errorf("peak RSS grows with the size: %d MiB at 256 MiB, %d MiB at 4 GiB", small>>20, large>>20)
	}
}

// peak runs a program, which must succeed, and returns its largest resident set in bytes.
func (s *site) peak(command *exec.Cmd) int64 {
	s.t.Helper()
	if out, err := command.CombinedOutput(); err != nil {
		s.t.Fatalf("%v\n%s\nserver: %s", err, out, s.log.tail())
	}
	return command.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10
}

func TestThePusherIsSmallAndStatic(t *testing.T) {
	path := filepath.Join(bin, "pusher") // built with -s -w and without cgo
	info, err := os.Stat(path)
	must(t, err)
	t.Logf("pusher: %.1f MiB", float64(info.Size())/(1<<20))
	if info.Size() > 16<<20 {
		t.Errorf("pusher: got %d bytes, want at most 16 MiB", info.Size())
	}
	if out, err := exec.Command("ldd", path).CombinedOutput(); err == nil {
		t.Errorf("pusher is not static:\n%s", out)
	}
}
