package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	// maxRSS is the most memory that the pusher may ever occupy, in bytes.
	maxRSS = 96 << 20
	// noise is by how much the peaks of equal runs differ: three parts' worth.
	noise = 24 << 20
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

// peak runs a program, which must succeed, and returns its largest resident set in
// bytes. The kernel keeps it as VmHWM; what wait(2) tells would also count the
// memory of this test process, which the child shares until it has executed.
func (s *site) peak(command *exec.Cmd) int64 {
	s.t.Helper()
	var out lockedBuffer
	command.Stdout, command.Stderr = &out, &out
	must(s.t, command.Start())
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	status := fmt.Sprintf("/proc/%d/status", command.Process.Pid)
	for peak := int64(0); ; {
		select {
		case err := <-ended:
			if err != nil || peak == 0 {
				s.t.Fatalf("%v, peak %d\n%s\nserver: %s", err, peak, &out, s.log.tail())
			}
			return peak
		case <-time.After(5 * time.Millisecond):
		}
		text, err := os.ReadFile(status)
		if _, after, ok := strings.Cut(string(text), "VmHWM:"); err == nil && ok {
			var kib int64
			if _, err := fmt.Sscanf(after, "%d kB", &kib); err == nil {
				peak = max(peak, kib<<10)
			}
		}
	}
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
