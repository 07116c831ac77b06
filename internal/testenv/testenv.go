// Package testenv starts real servers for tests: PostgreSQL and MariaDB, one of
// each per test binary, in a temporary directory, on a free loopback port. It
// installs nothing; what is missing fails the test with the name of the package
// that has it. For tests only.
package testenv

import (
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// databases numbers the databases of this test binary.
var databases atomic.Int64

// freshName returns a name that no other call returned.
func freshName() string { return fmt.Sprintf("test_%d", databases.Add(1)) }

// find returns the path of a program, from PATH or the newest of the directories.
func find(pkg, name string, dirs ...string) (string, error) {
	if path, err := exec.LookPath(name); err == nil && len(dirs) == 0 {
		return path, nil
	}
	newest, path := -1, ""
	for _, pattern := range dirs {
		matches, _ := filepath.Glob(filepath.Join(pattern, name))
		for _, m := range matches {
			version, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(m))))
			if version > newest {
				newest, path = version, m
			}
		}
	}
	if path != "" {
		return path, nil
	}
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	return "", fmt.Errorf("%s is not installed: apt-get install %s", name, pkg)
}

// LookPath returns the path of a program that a test needs, and fails the test
// with the name of its Debian package if there is none.
func LookPath(t testing.TB, pkg, name string) string {
	t.Helper()
	path, err := find(pkg, name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// serverUser returns whom a server runs as: nil is the present user; database
// servers refuse root.
func serverUser(names ...string) (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range append(names, "nobody") {
		if u, err := user.Lookup(name); err == nil {
			uid, _ := strconv.Atoi(u.Uid)
			gid, _ := strconv.Atoi(u.Gid)
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, fmt.Errorf("no user among %s to run a server as", strings.Join(names, ", "))
}

// privateDir makes a directory for a server, owned by its user.
func privateDir(prefix string, as *syscall.Credential) (string, error) {
	dir, err := os.MkdirTemp("", prefix)
	if err != nil || as == nil {
		return dir, err
	}
	return dir, os.Chown(dir, int(as.Uid), int(as.Gid))
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// supervise runs a server until this process ends, however it ends: the shell
// waits for the end of a pipe whose other side only this process holds, then
// stops the server and removes its directory.
func supervise(dir, signal string, as *syscall.Credential, server string, args ...string) error {
	const script = `dir=$1; signal=$2; shift 2
"$@" >"$dir/log" 2>&1 </dev/null & server=$!
cat >/dev/null
kill -"$signal" $server; wait $server; cd /; rm -rf "$dir"`
	cmd := exec.Command("/bin/sh", append([]string{"-c", script, "sh", dir, signal, server}, args...)...)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as, Setpgid: true}
	if _, err := cmd.StdinPipe(); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	go cmd.Wait()
	return nil
}

// run runs a program to its end and returns its output in the error.
func run(as *syscall.Credential, dir, path string, args ...string) error {
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %v\n%s", path, err, out)
	}
	return nil
}

// logOf returns the end of a server's log, for an error.
func logOf(dir string) string {
	b, _ := os.ReadFile(filepath.Join(dir, "log"))
	return string(b[max(0, len(b)-4096):])
}

// awkward returns a password with every character that some file format treats
// specially.
func awkward() string { return `p:a\s"s'#w%ö d/@?;=[` + rand.Text()[:6] }
