package test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// patience is how long a test waits for what must happen.
const patience = time.Minute

// waitFor waits until done.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// running is a pusher that has been started.
type running struct {
	t           *testing.T
	command     *exec.Cmd
	out, errOut lockedBuffer
	ended       chan error
}

// begin starts the pusher of the host and does not wait for it.
func (h *host) begin(args ...string) *running {
	h.site.t.Helper()
	return h.launch(h.pusherCommand(args...))
}

func (h *host) launch(command *exec.Cmd) *running {
	h.site.t.Helper()
	r := &running{t: h.site.t, command: command, ended: make(chan error, 1)}
	r.command.Stdout, r.command.Stderr = &r.out, &r.errOut
	must(r.t, r.command.Start())
	go func() { r.ended <- r.command.Wait() }()
	return r
}

func (r *running) signal(s syscall.Signal) {
	r.t.Helper()
	must(r.t, r.command.Process.Signal(s))
}

// wait returns how it ended.
func (r *running) wait() result {
	r.t.Helper()
	select {
	case err := <-r.ended:
		return ended(r.t, err, r.out.String(), r.errOut.String())
	case <-time.After(patience):
		_ = r.command.Process.Signal(syscall.SIGQUIT) // prints where it is
		<-r.ended
		r.t.Fatalf("the pusher does not end\nstdout: %s\nstderr: %s", &r.out, &r.errOut)
		return result{}
	}
}

// until waits until done, which the pusher must not end before.
func (r *running) until(what string, done func() bool) {
	r.t.Helper()
	waitFor(r.t, what, func() bool {
		select {
		case <-r.ended:
			r.t.Fatalf("the pusher ended before %s\nstdout: %s\nstderr: %s", what, &r.out, &r.errOut)
		default:
		}
		return done()
	})
}

// random is the YAML of a job whose dump is so many bytes, in head's units, of
// what does not compress; more follows its sources.
func random(job, size, more string) string {
	return script(job, "head -c "+size+" /dev/urandom", more)
}

// script is the YAML of a job whose dump is what a shell script prints.
func script(job, text, more string) string {
	return fmt.Sprintf("  %s:\n    sources: [{ command: { run: [sh, -c, %q] } }]\n%s", job, text, more)
}

// faultySite has one host with one job, crm, that the server has seen and finds
// no fault with. The server is not started yet.
func faultySite(t *testing.T, jobs string) (*site, *host) {
	t.Helper()
	s := newSite(t, "  crm: {}\n")
	return s, s.addHost("web1", []string{"crm"}, jobs)
}

// parts returns how many parts of unfinished uploads the vault holds.
func (s *site) parts() int {
	if s.bucket != nil {
		return len(s.bucket.parts())
	}
	found, _ := filepath.Glob(filepath.Join(s.vault, ".uploads", "*", "[0-9]*.json"))
	return len(found)
}

// uploads returns the unfinished uploads: their directories, or their keys.
func (s *site) uploads() []string {
	if s.bucket != nil {
		return s.bucket.uploads()
	}
	found, _ := filepath.Glob(filepath.Join(s.vault, ".uploads", "*"))
	return found
}

// uncommitted returns the ids that holdfast list shows with --all alone.
func (s *site) uncommitted() []string {
	s.t.Helper()
	var answer struct {
		Backups []struct {
			ID        string
			Committed bool
		}
	}
	decode(s.t, s.want(s.holdfast("list", "--all", "--json"), 0).out, &answer)
	var ids []string
	for _, b := range answer.Backups {
		if !b.Committed {
			ids = append(ids, b.ID)
		}
	}
	return ids
}

// committed fails the test unless the job has exactly so many backups, all of
// which restore.
func (s *site) committed(job string, n int) {
	s.t.Helper()
	if got := s.listed(job); len(got) != n {
		s.t.Fatalf("backups of %s: got %+v, want %d", job, got, n)
	}
	s.restores(job)
}

// reports returns the reports of the job that the vault holds, oldest first.
func (s *site) reports(job string) []holdfast.Report {
	s.t.Helper()
	var texts []string
	if s.bucket != nil {
		texts = s.bucket.reports(job)
	} else {
		paths, _ := filepath.Glob(filepath.Join(s.vault, "reports", "*", job, "*.json"))
		for _, path := range paths {
			texts = append(texts, read(s.t, path))
		}
	}
	all := make([]holdfast.Report, len(texts))
	for i, text := range texts {
		must(s.t, json.Unmarshal([]byte(text), &all[i]))
	}
	return all
}

// reported fails the test unless the last of so many reports says that the job
// failed at the stage, with a text in its error or its tail.
func (s *site) reported(job string, n int, stage, text string) {
	s.t.Helper()
	all := s.reports(job)
	if len(all) != n {
		s.t.Fatalf("reports of %s: got %+v, want %d", job, all, n)
	}
	last := all[n-1]
	if last.Kind != holdfast.ReportFailure || last.Stage != stage || !strings.Contains(last.Error+last.Tail, text) {
		s.t.Errorf("report: got %+v, want a failure in %s with %q", last, stage, text)
	}
}

// alarm fails the test unless the monitor, whose end r is, has that finding of the job.
func (s *site) alarm(r result, job, check string) {
	s.t.Helper()
	var answer struct {
		Vaults []struct{ Findings []holdfast.Finding }
	}
	decode(s.t, s.want(r, 1).out, &answer)
	for _, v := range answer.Vaults {
		if slices.ContainsFunc(v.Findings, func(f holdfast.Finding) bool { return f.Job == job && f.Check == check }) {
			return
		}
	}
	s.t.Errorf("the monitor has no finding %q of %s:\n%s", check, job, r.out)
}

// swept proves that in three days the sweep leaves nothing that was not
// committed, and takes nothing that was.
func (s *site) swept() {
	s.t.Helper()
	before := s.objects()
	s.want(s.inThreeDays("clean"), 0)
	after := s.objects()
	for path, sum := range before {
		whole := before[filepath.Join(filepath.Dir(path), holdfast.ManifestFile)] != ""
		if whole != (after[path] == sum) {
			s.t.Errorf("%s: of a committed backup: %t, still there after the sweep: %t", path, whole, after[path] == sum)
		}
	}
	if left := append(s.uploads(), s.uncommitted()...); len(left) > 0 {
		s.t.Errorf("left after the sweep: %v", left)
	}
	// What the run in three days has recorded is of a time to come; this one replaces it.
	s.want(s.holdfast("clean"), 0)
}

// objects is stored of a vault that may have no backup yet.
func (s *site) objects() map[string]string {
	s.t.Helper()
	if _, err := os.Stat(filepath.Join(s.vault, "backups")); os.IsNotExist(err) && s.bucket == nil {
		return nil
	}
	return s.stored()
}

// empty fails the test if there is a file under dir.
func empty(t *testing.T, dir string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			t.Errorf("%s was left behind", path)
		}
		return err
	}))
}
