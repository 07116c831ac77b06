package test

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/holdfast-backup/holdfast/internal/testenv"
)

func TestADumpThatIsNotWholeIsNoBackup(t *testing.T) {
	const half = "head -c 20M /dev/urandom; "
	for _, c := range []struct{ name, dump, want string }{
		{"exit status 1 halfway", half + "echo lost the server >&2; exit 1", "lost the server"},
		{"exit status 1 after all of it", half + "echo -- done; exit 1", "exit status 1"},
		{"killed halfway", half + "kill -KILL $$", "killed"},
		{"exit status 0 halfway", half + "exit 0", "trailer"},
		{"exit status 0 and nothing", "exit 0", "empty"},
		{"exit status 1 at once", "echo access denied >&2; exit 1", "access denied"},
	} {
		t.Run(c.name, func(t *testing.T) {
			beats := newHeartbeats(t)
			good := strings.Replace(script("crm", "echo all; echo -- done", beats.yaml()), "] } }]", "], trailer: -- done } }]", 1)
			s, h := faultySite(t, good)
			s.start()
			s.want(h.pusher("run"), 0)
			beats.were(t, "start", "success")

			h.setJobs(strings.Replace(good, strconv.Quote("echo all; echo -- done"), strconv.Quote(c.dump), 1))
			r := s.want(h.pusher("run"), 1)
			if !strings.Contains(r.out, c.want) {
				t.Errorf("outcome: got %s, want %q in it", r.out, c.want)
			}
			beats.were(t, "start", "failure")
			s.committed("crm", 1) // the one before
			if left := append(s.uploads(), s.uncommitted()...); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			s.reported("crm", 1, "dump", c.want)
			s.alarm(s.holdfast("monitor", "--json"), "crm", "failed-run")
		})
	}
}

func TestOneFailedJobOfTwoIsAPartialFailure(t *testing.T) {
	s := newSite(t, "  crm: {}\n  media: {}\n")
	h := s.addHost("web1", []string{"crm", "media"}, script("crm", "exit 1", "")+random("media", "1M", ""))
	s.start()
	s.want(h.pusher("run"), 3)
	s.committed("crm", 0)
	s.committed("media", 1)
	s.reported("crm", 1, "dump", "exit status 1")
	s.alarm(s.holdfast("monitor", "--json"), "crm", "failed-run")
}

func TestADatabaseDumpCutOffHalfwayIsNoBackup(t *testing.T) {
	server := testenv.Postgres(t)
	database := server.Database(t)
	testenv.Psql(t, database, "CREATE TABLE big AS SELECT n, repeat(md5(n::text), 3000) AS text FROM generate_series(1, 600) n")
	for _, c := range []struct {
		name, want string
		cut        func(t *testing.T, pusher int)
	}{
		{"pg_dump is killed", "killed", func(t *testing.T, pusher int) {
			must(t, syscall.Kill(child(t, pusher, "pg_dump"), syscall.SIGKILL))
		}},
		{"the server ends its connection", "server closed the connection", func(t *testing.T, _ int) {
			testenv.Psql(t, database, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pg_dump'")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			// Uncompressed, so that the table is more than the pusher's memory holds
			// and pg_dump has to wait for the parts.
			s, h, g := gatedSite(t, "  crm: { sources: [{ postgres: { url: env:SOURCE_URL, bin_dir: "+server.BinDir+" } }] }\ncompress: { method: none }\n")
			h.env = []string{"SOURCE_URL=" + database}
			b := newBarrier(t)
			g.let(func(_ http.ResponseWriter, r *http.Request) bool {
				if isPart(r) {
					b.hold()
				}
				return false
			})
			r := h.begin("run")
			r.until("the pusher's memory to be full", func() bool { return b.waiting.Load() == 4 })
			c.cut(t, r.command.Process.Pid)
			b.open()
			end := s.want(r.wait(), 1)
			if !strings.Contains(end.out, c.want) {
				t.Errorf("outcome: got %s, want %q in it", end.out, c.want)
			}
			s.committed("crm", 0)
			s.reported("crm", 1, "dump", c.want)
			s.alarm(s.holdfast("monitor", "--json"), "crm", "failed-run")
			if left := append(s.uploads(), s.uncommitted()...); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			s.want(h.pusher("run"), 0)
			s.committed("crm", 1)
		})
	}
}

// child returns the process id of a program that a process has started.
func child(t *testing.T, parent int, name string) int {
	t.Helper()
	tasks, err := filepath.Glob("/proc/" + strconv.Itoa(parent) + "/task/*/children")
	must(t, err)
	for _, task := range tasks {
		children, _ := os.ReadFile(task)
		for field := range strings.FieldsSeq(string(children)) {
			if comm, _ := os.ReadFile("/proc/" + field + "/comm"); strings.TrimSpace(string(comm)) == name {
				pid, err := strconv.Atoi(field)
				must(t, err)
				return pid
			}
		}
	}
	t.Fatalf("process %d has no child %s", parent, name)
	return 0
}
