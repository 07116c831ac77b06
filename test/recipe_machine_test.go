package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// machine is one that was bought today: an empty directory with what somebody carried
// there, the identity that was kept off-line.
type machine struct {
	recipe *recipe
	dir    string
	env    []string // what programs on it need to know
}

func (r *recipe) bare(t *testing.T) *machine {
	t.Helper()
	// Not below the test's own, whose long path sockets of gpg's agent do not bear.
	dir, err := os.MkdirTemp("", "machine-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	m := &machine{recipe: r, dir: dir}
	write(t, filepath.Join(m.dir, "identity.txt"), read(t, r.identity), 0o600)
	return m
}

// ticket returns the lines that an operator sends for a backup.
func (r *recipe) ticket(backup string) string {
	r.t.Helper()
	return r.want(r.operator("url", backup), 0).out
}

// paste runs such lines, by hand and without Holdfast: there are only the programs of
// the system, and the clients of databases.
func (m *machine) paste(t *testing.T, lines string, env ...string) {
	t.Helper()
	for _, tool := range []string{"curl", "zstd", "age", "gpg"} {
		testenv.LookPath(t, map[string]string{"gpg": "gnupg"}[tool], tool)
	}
	script := exec.CommandContext(t.Context(), "bash", "-eu")
	script.Dir, script.Stdin = m.dir, strings.NewReader(lines)
	script.Env = append([]string{"PATH=/usr/bin:/bin", "HOME=" + m.dir, "IDENTITY=identity.txt"}, m.recipe.env...)
	script.Env = append(append(script.Env, m.env...), env...)
	if out, err := script.CombinedOutput(); err != nil {
		t.Fatalf("the pasted lines failed: %v\n%s\n%s", err, out, lines)
	}
	if strings.Contains(lines, "AGE-SECRET-KEY") {
		t.Error("the lines hold the identity")
	}
}

// holdfast runs the program as somebody who has it and an operator's key, with which
// it reaches the broker and nothing else.
func (m *machine) holdfast(args ...string) result {
	m.recipe.t.Helper()
	key := filepath.Join(m.dir, "ops.key")
	write(m.recipe.t, key, read(m.recipe.t, filepath.Join(m.recipe.dir, "ops.key")), 0o600)
	command := exec.Command(filepath.Join(bin, "skewed", "holdfast"), append(args, "--broker", m.recipe.public, "--key", key)...)
	command.Dir = m.dir
	command.Env = append(os.Environ(), append(m.recipe.environment(), "HOME="+m.dir)...)
	var out, errOut strings.Builder
	command.Stdout, command.Stderr = &out, &errOut
	return ended(m.recipe.t, command.Run(), out.String(), errOut.String())
}

// mycnf says how the clients of MariaDB log in on the machine.
func (m *machine) mycnf(t *testing.T, server *testenv.MariaDBServer) {
	t.Helper()
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(server.Password)
	write(t, filepath.Join(m.dir, ".my.cnf"), fmt.Sprintf("[client]\nhost=%s\nport=%d\nuser=%s\npassword=\"%s\"\n", server.Host, server.Port, server.User, quoted), 0o600)
}

// fetch copies a directory from an SFTP server with OpenSSH's own client.
func (m *machine) fetch(t *testing.T, from *testenv.SSHD, dir string) {
	t.Helper()
	write(t, filepath.Join(m.dir, "box.key"), from.Key, 0o600)
	write(t, filepath.Join(m.dir, "known_hosts"), fmt.Sprintf("[%s]:%d %s\n", from.Host, from.Port, from.HostKey), 0o600)
	sftp := exec.CommandContext(t.Context(), testenv.LookPath(t, "openssh-client", "sftp"), "-q", "-b", "-", "-P", fmt.Sprint(from.Port),
		"-i", "box.key", "-o", "UserKnownHostsFile=known_hosts", "-o", "IdentitiesOnly=yes", from.User+"@"+from.Host)
	sftp.Dir, sftp.Stdin = m.dir, strings.NewReader("get "+dir+"/*\n")
	if out, err := sftp.CombinedOutput(); err != nil {
		t.Fatalf("sftp: %v\n%s", err, out)
	}
}

// obey does what the manifest says in words, with what it leaves open filled in. The
// objects have been fetched.
func (m *machine) obey(t *testing.T, fills map[string]string) {
	t.Helper()
	var document struct {
		Manifest struct{ Restore []string }
	}
	decode(t, read(t, filepath.Join(m.dir, "manifest.json")), &document)
	pairs := []string{"KEYFILE", "identity.txt"}
	for from, to := range fills {
		pairs = append(pairs, from, to)
	}
	var lines strings.Builder
	for _, line := range document.Manifest.Restore {
		if command, ok := strings.CutPrefix(line, "$ "); ok && !strings.HasPrefix(command, "curl ") {
			lines.WriteString(strings.NewReplacer(pairs...).Replace(command) + "\n")
		}
	}
	m.paste(t, lines.String())
}

// postgres says where the clients of PostgreSQL are on the machine, and how they log in.
func (m *machine) postgres(t *testing.T) {
	t.Helper()
	s := testenv.Postgres(t)
	m.env = []string{"PATH=" + s.BinDir + ":/usr/bin:/bin", "PGHOST=" + s.Host, fmt.Sprint("PGPORT=", s.Port), "PGUSER=" + s.User, "PGPASSWORD=" + s.Password}
}
