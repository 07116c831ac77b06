package script

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

type siteKey struct{}

// site is the one installation of a script.
type site struct {
	address   string
	dir       string
	recipient string
	hosts     string // lines for holdfast.yaml
	server    *exec.Cmd
}

var (
	publicKey = regexp.MustCompile(`ed25519:[A-Za-z0-9_-]+`)
	recipient = regexp.MustCompile(`age1[0-9a-z]+`)
)

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

// host makes a host; the first one makes identity.txt too.
func host(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: host NAME JOB…")
	}
	s, name := ts.Value(siteKey{}).(*site), args[0]
	encrypt := []string{"--recipient", s.recipient}
	if s.recipient == "" {
		encrypt = []string{"--identity", s.path("identity.txt")}
	}
	broker, dir := ts.Getenv("BROKER"), s.path(name)
	ts.Check(ts.Exec("pusher", append(encrypt, "init", "--host", name, "--broker", broker, "--dir", dir)...))
	if s.recipient == "" {
		s.recipient = recipient.FindString(ts.ReadFile(s.path("identity.txt")))
	}
	s.hosts += fmt.Sprintf("  %s: { key: %q, jobs: [%s] }\n", name, publicKey.FindString(ts.ReadFile("stdout")), strings.Join(args[1:], ", "))
	jobs := strings.ReplaceAll(ts.ReadFile(s.path(name+".yaml")), "$WORK", s.dir)
	text := fmt.Sprintf("host: %s\nbroker: %s\nkey: %s.key\nencrypt_to: [%s]\nstate_dir: %s/state\n%s", name, broker, name, s.recipient, dir, jobs)
	config := filepath.Join(dir, "pusher.yaml")
	ts.Check(os.WriteFile(config, []byte(text), 0o600))
	ts.Setenv("PUSHER_CONFIG", config)
}

// serve starts the server and waits until it answers, or stops it.
func serve(ts *testscript.TestScript, neg bool, args []string) {
	s := ts.Value(siteKey{}).(*site)
	switch {
	case neg || len(args) > 1 || len(args) == 1 && args[0] != "-stop":
		ts.Fatalf("usage: serve [-stop]")
	case len(args) == 1:
		s.stop(ts)
		return
	}
	ts.Check(ts.Exec("holdfast", "init", "--dir", s.dir, "--url", ts.Getenv("BROKER"), "--vault", s.path("vault")))
	config := s.path("holdfast.yaml")
	text := ts.ReadFile(config) + "hosts:\n" + s.hosts
	for _, more := range []string{"operators.yaml", "policies.yaml"} {
		if b, err := os.ReadFile(s.path(more)); err == nil {
			text += string(b)
		}
	}
	if b, err := os.ReadFile(s.path("vaults.yaml")); err == nil {
		text = strings.Replace(text, "\nvaults:\n", "\nvaults:\n"+strings.ReplaceAll(string(b), "$WORK", s.dir), 1)
	}
	ts.Check(os.WriteFile(config, []byte(text), 0o600))
	ts.Setenv("HOLDFAST_CONFIG", config)
	s.start(ts, config)
}

func (s *site) start(ts *testscript.TestScript, config string) {
	var log bytes.Buffer // read only once the server has ended
	ended := make(chan struct{})
	program, err := exec.LookPath("holdfast")
	ts.Check(err)
	s.server = exec.Command(program, "serve", "--config", config, "--listen", s.address)
	s.server.Stdout, s.server.Stderr = &log, &log
	ts.Check(s.server.Start())
	go func() { _ = s.server.Wait(); close(ended) }()
	ts.Defer(func() {
		_ = s.server.Process.Signal(syscall.SIGTERM)
		<-ended
		ts.Logf("[server]\n%s", log.String())
	})
	for deadline := time.Now().Add(20 * time.Second); ; {
		answer, err := http.Get("http://" + s.address + "/healthz")
		if err == nil {
			answer.Body.Close()
			return
		}
		select {
		case <-ended:
			ts.Fatalf("the server ended: %s\n%s", s.server.ProcessState, log.String())
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			ts.Fatalf("the server does not answer: %v", err)
		}
	}
}

// stop ends the server as a service manager would, and waits until nothing
// answers any more.
func (s *site) stop(ts *testscript.TestScript) {
	if s.server == nil {
		ts.Fatalf("the server does not run")
	}
	ts.Check(s.server.Process.Signal(syscall.SIGTERM))
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		answer, err := http.Get("http://" + s.address + "/healthz")
		if err != nil {
			return
		}
		answer.Body.Close()
		if time.Now().After(deadline) {
			ts.Fatalf("the server does not stop")
		}
	}
}
