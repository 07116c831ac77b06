package test

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// watchedSite is a site whose server tells people. It and its hosts go by a clock
// that the test moves, and its monitor does a round each second.
type watchedSite struct {
	*site
	clock  *clock
	ahead  atomic.Int64 // seconds, of the true time
	pulse  *pulse       // of the server
	second *twin        // another server over the same vault, if there is one
	people *people
	told   []string // subjects that all channels were told so far
}

// round is the time from one round of the monitor to the next: see alerts.
const round = time.Second

// newWatchedSite makes a site with one channel of each kind; jobs is the YAML below
// "jobs:" in holdfast.yaml.
func newWatchedSite(t *testing.T, jobs string) *watchedSite {
	t.Helper()
	w := &watchedSite{site: newSite(t, jobs), clock: newClock(t, 0), pulse: newPulse(t), people: newPeople(t)}
	w.people.pager.now = w.now
	w.more = w.alerts(w.pulse, w.people.yaml(w.dir))
	return w
}

// alerts returns the sections of holdfast.yaml that say who is told.
func (w *watchedSite) alerts(p *pulse, channels string) string {
	return "alerts:\n  heartbeat: " + p.yaml() + "\n  channels:\n" + channels + "schedule: { monitor: 1s, retention: 1s }\n"
}

// env is the environment of programs that tell people. The clock moves by days, and
// what is being written must not look as old.
func (w *watchedSite) env() []string {
	return append(w.people.env(), w.clock.env(), "TEST_CLOCK_FILES=1")
}

// begin starts the server of the site.
func (w *watchedSite) begin() {
	w.t.Helper()
	w.writeConfig()
	w.server = w.watch(w.config, strings.TrimPrefix(w.url, "http://"))
}

// watch starts a server with a configuration and waits until it answers; by are
// the words of a program that becomes it, if one is needed.
func (w *watchedSite) watch(config, listen string, by ...string) *exec.Cmd {
	w.t.Helper()
	words := append(slices.Clone(by), filepath.Join(bin, "skewed", "holdfast"), "serve", "--config", config, "--listen", listen)
	server := exec.Command(words[0], words[1:]...)
	server.Env = append(os.Environ(), w.env()...)
	server.Stdout, server.Stderr = w.log, w.log
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(w.t, server.Start())
	w.t.Cleanup(func() { end(server) })
	waitFor(w.t, "the server", func() bool {
		answer, err := http.Get("http://" + listen + "/healthz")
		return err == nil && answer.Body.Close() == nil
	})
	return server
}

// end ends a program without warning, unless it has ended.
func end(program *exec.Cmd) {
	_ = program.Process.Kill()
	_ = program.Wait()
}

// forward moves the clock while no server is in a round: one that has judged by the
// time before would tell of it by the time after.
func (w *watchedSite) forward(by time.Duration) {
	w.t.Helper()
	running := map[*pulse]*exec.Cmd{w.pulse: w.server}
	if w.second != nil {
		running[w.second.pulse] = w.second.server
	}
	maps.DeleteFunc(running, func(_ *pulse, server *exec.Cmd) bool { return server == nil || server.ProcessState != nil })
	for p := range running {
		p.shut()
		defer p.open()
	}
	waitFor(w.t, "all servers to be between two rounds", func() bool {
		for p := range running {
			if !p.still() {
				return false
			}
		}
		return true
	})
	w.leap(by)
}

// leap moves the clock whatever the servers do.
func (w *watchedSite) leap(by time.Duration) {
	w.t.Helper()
	w.clock.set(time.Duration(w.ahead.Add(int64(by/time.Second))) * time.Second)
}

// now is the time by the clock.
func (w *watchedSite) now() time.Time {
	return time.Now().Add(time.Duration(w.ahead.Load()) * time.Second)
}

// push runs the pusher of a host, which must succeed.
func (w *watchedSite) push(h *host, jobs ...string) {
	w.t.Helper()
	w.want(h.pusherAt(w.clock, append([]string{"run"}, jobs...)...), 0)
}

// days lets a host push once a day.
func (w *watchedSite) days(n int, h *host) {
	w.t.Helper()
	for range n {
		w.forward(24 * time.Hour)
		w.push(h)
	}
}

// operator runs the operator's program by the clock of the site.
func (w *watchedSite) operator(args ...string) result {
	w.t.Helper()
	return w.program("skewed/holdfast", w.env(), "", append([]string{"--config", w.config}, args...)...)
}

// tells waits until every channel has been told these things, one message each, and
// fails the test if one was told anything else.
func (w *watchedSite) tells(subjects ...string) {
	w.t.Helper()
	w.told = append(w.told, subjects...)
	for _, c := range w.people.channels {
		waitWith(w.t, fmt.Sprintf("%s to be told %q", c.name(), w.told), func() bool { return len(c.subjects(w.t)) >= len(w.told) }, func() string {
			return fmt.Sprintf("it was told %q\n%s", c.subjects(w.t), w.log.tail())
		})
	}
	w.unchanged()
}

// unchanged fails the test if a channel was told anything but what tells has named.
func (w *watchedSite) unchanged() {
	w.t.Helper()
	for _, c := range w.people.channels {
		got := c.subjects(w.t)
		same := len(got) == len(w.told)
		for n := 0; same && n < len(got); n++ {
			same = like(got[n], w.told[n])
		}
		if !same {
			w.t.Fatalf("%s was told\n%q, want\n%q\n%s", c.name(), got, w.told, w.log.tail())
		}
	}
}

// quiet proves that a whole round, begun after now, tells nobody anything.
func (w *watchedSite) quiet() {
	w.t.Helper()
	w.pulse.wait(2) // the first may have begun before
	w.unchanged()
}

// like reports whether text is what the pattern says, where … stands for anything.
func like(text, pattern string) bool {
	parts := strings.Split(pattern, "…")
	rest, ok := strings.CutPrefix(text, parts[0])
	for _, part := range parts[1:] {
		at := strings.Index(rest, part)
		if part == "" {
			at = len(rest)
		}
		if !ok || at < 0 {
			return false
		}
		rest = rest[at+len(part):]
	}
	return ok && rest == ""
}

// waitWith is waitFor, and says more if it was in vain.
func waitWith(t *testing.T, what string, done func() bool, more func() string) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s: %s", what, more())
		}
	}
}

// dumps is the YAML of a job that dumps a SQLite database.
func dumps(job, path string) string {
	return "  " + job + ": { sources: [{ sqlite: { path: " + path + " } }] }\n"
}

// dumpsPostgres is the YAML of a job that dumps the PostgreSQL database whose URL is
// in a variable.
func dumpsPostgres(t *testing.T, job, variable string) string {
	return "  " + job + ": { sources: [{ postgres: { url: env:" + variable + ", bin_dir: " + testenv.Postgres(t).BinDir + " } }] }\n"
}

// customers makes a SQLite database with so many rows and returns its path.
func (w *watchedSite) customers(name string, rows int) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name+".db")
	db := openSQLite(w.t, path)
	execSQL(w.t, db, fmt.Sprintf(`CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT);
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
		INSERT INTO customer SELECT i, printf('%%200d', i) FROM n`, rows))
	must(w.t, db.Close())
	return path
}
