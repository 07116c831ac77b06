package rehearsal

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// terraform is a working folder of examples/complete.
type terraform struct {
	dir string
	env []string
}

// newTerraform initializes examples/complete, of the copy of the repository at
// place, with the real AWS provider.
func newTerraform(t testing.TB, place string, env []string) *terraform {
	t.Helper()
	tf := &terraform{
		dir: filepath.Join(place, "infra", "terraform", "examples", "complete"),
		env: append(env, "TF_IN_AUTOMATION=1", "TF_INPUT=0", "CHECKPOINT_DISABLE=1"),
	}
	for _, variable := range os.Environ() {
		// What this machine has set for people must not leak into the rehearsal.
		if !strings.HasPrefix(variable, "TF_") && !strings.HasPrefix(variable, "AWS_") {
			tf.env = append(tf.env, variable)
		}
	}
	arguments := []string{"init", "-no-color", "-backend=false"}
	if plugins := pluginDir(t); plugins != "" {
		arguments = append(arguments, "-plugin-dir="+plugins)
	}
	tf.must(t, arguments...)
	return tf
}

// pluginDir returns where the provider lies on this machine, as test/terraform
// finds it. Without a place Terraform downloads what it needs.
func pluginDir(t testing.TB) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "../terraform", "plugins").Output()
	if err != nil {
		t.Fatalf("test/terraform plugins: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// run runs Terraform and returns its exit code and what it printed.
func (tf *terraform) run(t testing.TB, arguments ...string) (int, string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), testenv.LookPath(t, "terraform (of HashiCorp)", "terraform"), arguments...)
	command.Dir, command.Env = tf.dir, tf.env
	out, err := command.CombinedOutput()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exit.ExitCode(), string(out)
	}
	if err != nil {
		t.Fatalf("terraform %s: %v\n%s", arguments[0], err, out)
	}
	return 0, string(out)
}

// must is run that has to succeed.
func (tf *terraform) must(t testing.TB, arguments ...string) string {
	t.Helper()
	code, out := tf.run(t, arguments...)
	if code != 0 {
		t.Fatalf("terraform %s: exit code %d\n%s", arguments[0], code, out)
	}
	return out
}

// output returns an output of the example, raw.
func (tf *terraform) output(t testing.TB, name string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "terraform", "output", "-raw", name)
	command.Dir, command.Env = tf.dir, tf.env
	var errOut bytes.Buffer
	command.Stderr = &errOut
	out, err := command.Output()
	if err != nil {
		t.Fatalf("terraform output %s: %v\n%s", name, err, &errOut)
	}
	return string(out)
}
