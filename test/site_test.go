package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// site is one installation in a temporary folder: a server with a vault, an age
// identity kept apart, and hosts that push to it.
type site struct {
	t         *testing.T
	dir       string
	url       string
	vault     string  // directory of the disk vault
	bucket    *bucket // the vault instead, if it is one
	config    string  // holdfast.yaml
	identity  string  // age identity file
	recipient string
	jobs      string // the jobs: section of holdfast.yaml
	broker    string // more lines of its broker: section
	more      string // more sections of it
	hosts     map[string]*host
	server    *exec.Cmd
	log       *lockedBuffer       // what the server has logged
	as        *syscall.Credential // who its programs run as; nil: who runs the test
}

// host is one machine that pushes.
type host struct {
	site   *site
	name   string
	dir    string
	config string // pusher.yaml
	key    string // private key file
	public string // as in holdfast.yaml
	jobs   []string
	env    []string // more environment for the pusher
}

// result is how a program ended.
type result struct {
	code        int
	out, errOut string
	signaled    bool
}

// newSite makes a site; jobs is the YAML below "jobs:" in holdfast.yaml.
func newSite(t *testing.T, jobs string) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), jobs: jobs, hosts: map[string]*host{}, log: &lockedBuffer{}}
	s.url = "http://" + freeAddress(t)
	s.vault, s.config = filepath.Join(s.dir, "vault"), filepath.Join(s.dir, "holdfast.yaml")
	s.identity = filepath.Join(s.dir, "identity.txt")
	if out, err := exec.Command("age-keygen", "-o", s.identity).CombinedOutput(); err != nil {
		t.Fatalf("age-keygen (package age): %v\n%s", err, out)
	}
	text := read(t, s.identity)
	s.recipient = regexp.MustCompile(`age1[0-9a-z]+`).FindString(text)
	write(t, filepath.Join(s.dir, "broker.secret"), strings.Repeat("secret-of-the-broker-", 3)+"\n", 0o600)
	return s
}

// addHost makes a host whose pusher.yaml has the given YAML below "jobs:".
func (s *site) addHost(name string, allowed []string, jobs string) *host {
	s.t.Helper()
	h := &host{site: s, name: name, dir: filepath.Join(s.dir, name), jobs: allowed}
	h.config, h.key = filepath.Join(h.dir, "pusher.yaml"), filepath.Join(h.dir, name+".key")
	r := s.program("pusher", nil, "", "init", "--host", name, "--broker", s.url, "--dir", h.dir, "--recipient", s.recipient)
	s.want(r, 0)
	h.public = regexp.MustCompile(`ed25519:[A-Za-z0-9_-]+`).FindString(r.out)
	if h.public == "" {
		s.t.Fatalf("pusher init printed no public key:\n%s", r.out)
	}
	h.setJobs(jobs)
	s.hosts[name] = h
	return h
}

// setJobs writes pusher.yaml anew.
func (h *host) setJobs(jobs string) {
	write(h.site.t, h.config, fmt.Sprintf("host: %s\nbroker: %s\nkey: %s\nencrypt_to: [%s]\nstate_dir: %s\njobs:\n%s",
		h.name, h.site.url, h.key, h.site.recipient, filepath.Join(h.dir, "state"), jobs), 0o600)
}

// writeConfig writes holdfast.yaml from what the site knows.
func (s *site) writeConfig() {
	var hosts strings.Builder
	for _, h := range s.hosts {
		fmt.Fprintf(&hosts, "  %s: { key: %q, jobs: [%s] }\n", h.name, h.public, strings.Join(h.jobs, ", "))
	}
	operators := ""
	if key, err := os.ReadFile(filepath.Join(s.dir, "ops.pub")); err == nil {
		operators = fmt.Sprintf("operators:\n  ops: { key: %q }\n", strings.TrimSpace(string(key)))
	}
	vault := fmt.Sprintf("{ disk: { path: %s } }", s.vault)
	if s.bucket != nil {
		vault = s.bucket.yaml()
	}
	write(s.t, s.config, fmt.Sprintf("broker:\n  url: %s\n  listen: %s\n  secret: file:broker.secret\n%svaults:\n  main: %s\nhosts:\n%s%sjobs:\n%s%s",
		s.url, strings.TrimPrefix(s.url, "http://"), s.broker, vault, hosts.String(), operators, s.jobs, s.more), 0o600)
}

// start starts the server and waits until it answers.
func (s *site) start() {
	s.t.Helper()
	s.writeConfig()
	s.launch(func() error {
		answer, err := http.Get(s.url + "/healthz")
		if err != nil {
			return err
		}
		return answer.Body.Close()
	})
}

// launch starts the server with holdfast.yaml as it is and waits until it is up.
func (s *site) launch(up func() error) {
	s.t.Helper()
	s.server = exec.Command(filepath.Join(bin, "holdfast"), "serve", "--config", s.config)
	s.server.Stdout, s.server.Stderr = s.log, s.log
	s.server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.server.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { s.kill() })
	for deadline := time.Now().Add(20 * time.Second); ; {
		err := up()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the server does not answer: %v\n%s", err, s.log)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// stop ends the server as systemd would and returns its exit code.
func (s *site) stop() int {
	s.t.Helper()
	if s.server == nil {
		s.t.Fatal("the server does not run")
	}
	_ = s.server.Process.Signal(syscall.SIGTERM)
	_ = s.server.Wait()
	code := s.server.ProcessState.ExitCode()
	s.server = nil
	return code
}

// kill ends the server without warning.
func (s *site) kill() {
	if s.server != nil {
		_ = s.server.Process.Kill()
		_ = s.server.Wait()
		s.server = nil
	}
}

// pusher runs the pusher of the host.
func (h *host) pusher(args ...string) result {
	h.site.t.Helper()
	return h.site.program("pusher", h.env, "", append([]string{"--config", h.config}, args...)...)
}

// pusherCommand returns the pusher of the host, not started, in a process group of its own.
func (h *host) pusherCommand(args ...string) *exec.Cmd {
	command := exec.Command(filepath.Join(bin, "pusher"), append([]string{"--config", h.config}, args...)...)
	command.Env = append(os.Environ(), h.env...)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return command
}

// holdfast runs the operator's program with direct access to the vault.
func (s *site) holdfast(args ...string) result {
	s.t.Helper()
	return s.program("holdfast", nil, "", append([]string{"--config", s.config}, args...)...)
}

// program runs one of the built programs to its end.
func (s *site) program(name string, env []string, stdin string, args ...string) result {
	s.t.Helper()
	command := exec.Command(filepath.Join(bin, name), args...)
	command.Env = append(os.Environ(), env...)
	command.Stdin = strings.NewReader(stdin)
	if s.as != nil {
		command.SysProcAttr = &syscall.SysProcAttr{Credential: s.as}
	}
	var out, errOut bytes.Buffer
	command.Stdout, command.Stderr = &out, &errOut
	return ended(s.t, command.Run(), out.String(), errOut.String())
}

func ended(t *testing.T, err error, out, errOut string) result {
	t.Helper()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return result{0, out, errOut, false}
	case errors.As(err, &exit):
		return result{exit.ExitCode(), out, errOut, exit.ExitCode() < 0}
	}
	t.Fatal(err)
	return result{}
}

// want fails the test unless the program ended with that code.
func (s *site) want(r result, code int) result {
	s.t.Helper()
	if r.code != code {
		s.t.Fatalf("exit code: got %d, want %d\nstdout: %s\nstderr: %s\nserver: %s", r.code, code, r.out, r.errOut, s.log.tail())
	}
	return r
}

// listed returns the committed backups that holdfast list shows for a job, newest first.
func (s *site) listed(job string) []listedBackup {
	s.t.Helper()
	r := s.want(s.holdfast("list", job, "--json"), 0)
	var answer struct {
		Backups []listedBackup `json:"backups"`
	}
	decode(s.t, r.out, &answer)
	return answer.Backups
}

type listedBackup struct {
	Host, Job, ID string
	Size          int64
	Held          bool
}

// restores proves that every listed backup of the job passes verify with the identity.
func (s *site) restores(job string) {
	s.t.Helper()
	for _, b := range s.listed(job) {
		s.want(s.holdfast("verify", b.Host+"/"+b.Job+"@"+b.ID, "--identity", s.identity), 0)
	}
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("not JSON: %v\n%s", err, text)
	}
}

func freeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// owner returns who owns a file and how many names it has.
func owner(info os.FileInfo) (uid, gid, links int) {
	s := info.Sys().(*syscall.Stat_t)
	return int(s.Uid), int(s.Gid), int(s.Nlink)
}
