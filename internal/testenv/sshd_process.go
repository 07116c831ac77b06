package testenv

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Start starts the server, again after Stop on the same port, and waits until it
// answers.
func (s *SSHD) Start(t testing.TB) {
	t.Helper()
	path, err := find("openssh-server", "sshd", "/usr/sbin")
	if err != nil {
		t.Fatal(err)
	}
	// The server ends when this process does, however that ends; if it was not told to,
	// nobody is left to remove the directory.
	const script = `base=$1; shift
"$@" </dev/null & server=$!
read word; kill -KILL $server; wait $server
[ "$word" = stop ] || { umount "$base/root/backup"; rm -rf "$base"; } 2>/dev/null`
	s.shell = exec.Command("/bin/sh", "-c", script, "sh", s.base, path, "-D", "-e", "-f", s.file("config"))
	s.shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	log, err := os.OpenFile(s.file("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	s.shell.Stdout, s.shell.Stderr = log, log
	if s.stdin, err = s.shell.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := s.shell.Start(); err != nil {
		t.Fatal(err)
	}
	if err := s.awaitBanner(30 * time.Second); err != nil {
		t.Fatalf("sshd does not answer: %v\n%s", err, s.Log())
	}
}

func (s *SSHD) awaitBanner(patience time.Duration) error {
	for deadline := time.Now().Add(patience); ; {
		err := banner(s.Addr())
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func banner(addr string) error {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	_, err = io.ReadFull(c, make([]byte, len("SSH-2.0-")))
	return err
}

// Stop kills the server and all connections to it. Nothing happens if it has been
// stopped.
func (s *SSHD) Stop(t testing.TB) {
	t.Helper()
	if s.shell == nil {
		return
	}
	// Each connection has a process, in a session of its own.
	below := descendants(s.shell.Process.Pid)
	_, _ = io.WriteString(s.stdin, "stop\n")
	s.stdin.Close()
	_ = s.shell.Wait()
	for _, pid := range append(below, s.frozen...) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	s.shell, s.frozen = nil, nil
}

// Freeze stops the SFTP servers of all connections, and Thaw lets them go on. The
// connections themselves stay up and answer.
func (s *SSHD) Freeze(t testing.TB) { s.frozen = append(s.frozen, s.signal(t, syscall.SIGSTOP)...) }

// Thaw undoes Freeze.
func (s *SSHD) Thaw(t testing.TB) { s.signal(t, syscall.SIGCONT) }

func (s *SSHD) signal(t testing.TB, signal syscall.Signal) (servers []int) {
	t.Helper()
	for _, pid := range descendants(s.shell.Process.Pid) {
		title, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if strings.Contains(string(title), "internal-sftp") {
			servers = append(servers, pid)
			_ = syscall.Kill(pid, signal)
		}
	}
	if len(servers) == 0 {
		t.Fatal("there is no SFTP server")
	}
	return servers
}

// descendants returns the processes below pid.
func descendants(pid int) (all []int) {
	children := func(pid int) (list []int) {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", pid))
		for word := range strings.FieldsSeq(string(text)) {
			if n, err := strconv.Atoi(word); err == nil {
				list = append(list, n)
			}
		}
		return list
	}
	for level := children(pid); len(level) > 0; {
		var next []int
		for _, p := range level {
			next = append(next, children(p)...)
		}
		all, level = append(all, next...), next
	}
	return all
}
