package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// openPGP makes a key with gpg, writes the public one to a file and returns that of the
// private one.
func (r *recipe) openPGP(public string) (private string) {
	r.t.Helper()
	m := r.bare(r.t)                                                     // where the keys are made is none of the machines of the recipe
	past := time.Now().AddDate(0, 0, -7).UTC().Format("20060102T150405") // by the recipe's clock too
	m.gpg(r.t, "--faked-system-time", past, "--passphrase", "", "--quick-generate-key", "backup@example.com", "default", "default", "never")
	write(r.t, public, m.gpg(r.t, "--armor", "--export", "backup@example.com"), 0o644)
	private = filepath.Join(r.dir, "backup-secret.asc")
	write(r.t, private, m.gpg(r.t, "--armor", "--export-secret-keys", "backup@example.com"), 0o600)
	return private
}

// gpg runs gpg on the machine and returns what it prints.
func (m *machine) gpg(t *testing.T, args ...string) string {
	t.Helper()
	home := filepath.Join(m.dir, ".gnupg")
	must(t, os.MkdirAll(home, 0o700))
	run := func(program string, args ...string) (string, error) {
		command := exec.Command(program, args...)
		command.Dir, command.Env = m.dir, []string{"PATH=/usr/bin:/bin", "HOME=" + m.dir}
		var errOut strings.Builder
		command.Stderr = &errOut
		out, err := command.Output()
		if err != nil {
			t.Logf("%s: %s", program, errOut.String())
		}
		return string(out), err
	}
	t.Cleanup(func() { _, _ = run("gpgconf", "--kill", "gpg-agent") })
	out, err := run("gpg", append([]string{"--batch", "--yes", "--pinentry-mode", "loopback"}, args...)...)
	must(t, err)
	return out
}
