package rehearsal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// machine is one that pushes or restores: a folder, and an environment that leads
// to the deployment and to nowhere else.
type machine struct {
	d   *deployment
	dir string
	env []string
}

func (d *deployment) newMachine() *machine {
	dir := d.whole.TempDir()
	return &machine{d, dir, append(d.internet.environ(), "HOME="+dir, "PATH="+filepath.Join(d.place, "bin")+":"+os.Getenv("PATH"))}
}

// run runs a program to its end and returns its exit code and output.
func (m *machine) run(t *testing.T, name string, args ...string) (code int, out, errOut string) {
	t.Helper()
	if built := filepath.Join(m.d.place, "bin", filepath.Base(name)); name == filepath.Base(name) {
		if _, err := os.Stat(built); err == nil {
			name = built
		}
	}
	command := exec.CommandContext(t.Context(), name, args...)
	command.Dir, command.Env = m.dir, m.env
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exit.ExitCode(), stdout.String(), stderr.String()
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0, stdout.String(), stderr.String()
}

// must is run that has to succeed, and returns what was printed.
func (m *machine) must(t *testing.T, name string, args ...string) string {
	t.Helper()
	code, out, errOut := m.run(t, name, args...)
	if code != 0 {
		t.Fatalf("%s %q: exit code %d\n%s%s\nfunctions:\n%s", name, args, code, out, errOut, m.d.logs())
	}
	return out
}

// logs returns what the functions and the gateway logged since it was last asked.
func (d *deployment) logs() string {
	text := d.gateway.Log.Take()
	for _, f := range d.functions {
		text += f.Log.Take()
	}
	return text
}

var publicKey = regexp.MustCompile(`ed25519:[A-Za-z0-9_-]+`)

// initialize makes a host with the line that Terraform printed for it, and returns
// its public key.
func (m *machine) initialize(t *testing.T, host, line, recipient string) string {
	t.Helper()
	line = strings.NewReplacer("NAME", host, "AGE_RECIPIENT", recipient).Replace(line)
	key := publicKey.FindString(m.must(t, "bash", "-c", line+" --dir "+m.dir))
	if key == "" {
		t.Fatalf("%s: printed no key", line)
	}
	return key
}

// configure writes pusher.yaml with these jobs.
func (m *machine) configure(t *testing.T, host, broker, recipient, jobs string) {
	t.Helper()
	text := fmt.Sprintf("host: %s\nbroker: %s\nkey: %s.key\nencrypt_to: [%s]\nstate_dir: %s/state\njobs:\n%s", host, broker, filepath.Join(m.dir, host), recipient, m.dir, jobs)
	if err := os.WriteFile(filepath.Join(m.dir, "pusher.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
