package test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// The clock of a program can't be set from outside: Go asks the kernel for the
// time without the C library, and a time namespace does not shift the time of
// day. So the programs are built once more, from the same sources, with a
// standard library whose time.Now adds what a file says. Neither program knows.

// skewSource is added to package time. It maps the file, because time.Now is
// also called where a system call can't be made.
const skewSource = `package time

import (
	"syscall"
	"unsafe"
)

var skewed = func() *int64 {
	path, ok := syscall.Getenv("TEST_CLOCK")
	if !ok {
		return new(int64)
	}
	file, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		panic(err)
	}
	page, err := syscall.Mmap(file, 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		panic(err)
	}
	return (*int64)(unsafe.Pointer(&page[0]))
}()

// skew returns by how many seconds this clock is ahead.
func skew() int64 { return *skewed }

// FileSkew is added to the times of files, where TEST_CLOCK_FILES asks for it: then
// what was written a moment ago is not taken for as old as the clock is ahead.
func FileSkew() Duration {
	if _, ok := syscall.Getenv("TEST_CLOCK_FILES"); !ok {
		return 0
	}
	return Duration(skew()) * Second
}
`

var buildSkewed = sync.OnceValue(func() error {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return err
	}
	original := filepath.Join(strings.TrimSpace(string(out)), "src", "time", "time.go")
	source, err := os.ReadFile(original)
	if err != nil {
		return err
	}
	const from, to = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n", "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n\tsec += skew()\n"
	if strings.Count(string(source), from) != 1 {
		return fmt.Errorf("%s: time.Now is not what this test knows", original)
	}
	stat := filepath.Join(strings.TrimSpace(string(out)), "src", "os", "stat_linux.go")
	statSource, err := os.ReadFile(stat)
	if err != nil {
		return err
	}
	const fromStat, toStat = "fs.modTime = time.Unix(fs.sys.Mtim.Unix())\n", "fs.modTime = time.Unix(fs.sys.Mtim.Unix()).Add(time.FileSkew())\n"
	if strings.Count(string(statSource), fromStat) != 1 {
		return fmt.Errorf("%s: a file's time is not what this test knows", stat)
	}
	dir := filepath.Join(bin, "skewed")
	files := map[string]string{
		"time.go": strings.Replace(string(source), from, to, 1), "skew.go": skewSource,
		"stat_linux.go": strings.Replace(string(statSource), fromStat, toStat, 1),
	}
	replace := map[string]string{stat: filepath.Join(dir, "stat_linux.go")}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
		if name != "stat_linux.go" {
			replace[filepath.Join(filepath.Dir(original), name)] = filepath.Join(dir, name)
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o644); err != nil {
		return err
	}
	build := exec.Command("go", "build", "-trimpath", "-overlay", filepath.Join(dir, "overlay.json"), "-o", dir, "./cmd/pusher", "./cmd/holdfast")
	build.Dir = ".."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%v\n%s", err, out)
	}
	return nil
})

// clock is what programs under skewed/ take for the time of day.
type clock struct {
	t    *testing.T
	path string
}

func newClock(t *testing.T, ahead time.Duration) *clock {
	t.Helper()
	if err := buildSkewed(); err != nil {
		t.Fatalf("build the programs for a wrong clock: %v", err)
	}
	c := &clock{t, filepath.Join(t.TempDir(), "clock")}
	c.set(ahead)
	return c
}

// set makes the clock so much ahead of the true one, also for programs that run.
func (c *clock) set(ahead time.Duration) {
	c.t.Helper()
	file, err := os.OpenFile(c.path, os.O_WRONLY|os.O_CREATE, 0o644)
	must(c.t, err)
	must(c.t, binary.Write(file, binary.NativeEndian, int64(ahead/time.Second)))
	must(c.t, file.Close())
}

func (c *clock) env() string { return "TEST_CLOCK=" + c.path }

// inThreeDays runs the operator's program as it will run then.
func (s *site) inThreeDays(args ...string) result {
	s.t.Helper()
	c := newClock(s.t, 72*time.Hour)
	return s.program("skewed/holdfast", []string{c.env()}, "", append([]string{"--config", s.config}, args...)...)
}

// pusherAt runs the pusher of the host by another clock.
func (h *host) pusherAt(c *clock, args ...string) result {
	h.site.t.Helper()
	return h.beginAt(c, args...).wait()
}

// beginAt is begin by another clock.
func (h *host) beginAt(c *clock, args ...string) *running {
	h.site.t.Helper()
	command := h.pusherCommand(args...)
	command.Path = filepath.Join(bin, "skewed", "pusher")
	command.Env = append(command.Env, c.env())
	return h.launch(command)
}

func TestAHostWhoseClockIsAnHourWrongIsToldSoAndDoesNoHarm(t *testing.T) {
	for name, c := range map[string]struct {
		ahead time.Duration
		want  string
	}{
		"ahead":  {time.Hour, "this host's clock is 1h ahead of the broker's"},
		"behind": {-time.Hour, "this host's clock is 1h behind the broker's"},
	} {
		t.Run(name, func(t *testing.T) {
			beats := newHeartbeats(t)
			s, h := faultySite(t, random("crm", "1M", beats.yaml()))
			s.start()
			s.want(s.holdfast("monitor"), 0)
			r := s.want(h.pusherAt(newClock(t, c.ahead), "run"), 1)
			if !strings.Contains(r.errOut, c.want) {
				t.Errorf("stderr: got %q, want %q in it", r.errOut, c.want)
			}
			beats.were(t, "start", "failure")
			// Its report is refused like every other call: that the backup is
			// missing is what the vault's own clock tells.
			s.committed("crm", 0)
			s.alarm(s.inThreeDays("monitor", "--json", "--dry-run"), "crm", "missing")
			if left := append(s.uploads(), s.uncommitted()...); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}

			s.want(h.pusher("run"), 0) // the clock is set right
			beats.were(t, "start", "success")
			s.committed("crm", 1)
			s.want(s.holdfast("monitor"), 0)
		})
	}
}

func TestTheVaultsClockNamesBackupsAlsoWhereItIsWrong(t *testing.T) {
	s, h := faultySite(t, random("crm", "1M", ""))
	listen := strings.TrimPrefix(s.url, "http://")
	c := newClock(t, time.Hour)
	s.serve(listen, "skewed/holdfast", c.env())
	if r := s.want(h.pusher("run"), 1); !strings.Contains(r.errOut, "this host's clock is 1h behind the broker's") {
		t.Errorf("stderr: %s", r.errOut)
	}
	s.want(h.pusherAt(c, "run"), 0) // both an hour ahead
	s.stop()
	s.serve(listen, "holdfast")
	s.committed("crm", 1)
	s.alarm(s.holdfast("monitor", "--json"), "crm", "future")

	// One of a time to come takes nobody's place.
	s.want(h.pusher("run"), 0)
	s.want(s.holdfast("clean", "--keep", "1"), 0)
	s.restores("crm")
	var now int
	for _, b := range s.listed("crm") {
		if !(holdfast.Backup{Ref: holdfast.Ref{ID: holdfast.ID(b.ID)}}).Future(time.Now()) {
			now++
		}
	}
	if now != 1 {
		t.Errorf("backups of the present: got %d, want the 1 just made", now)
	}
}
