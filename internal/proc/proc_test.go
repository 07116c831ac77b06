package proc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/proc"
)

func shell(script string, args ...string) proc.Command {
	return proc.Command{Path: "/bin/sh", Args: append([]string{"-c", script, "sh"}, args...), Env: []string{"PATH=/usr/bin:/bin"}}
}

func TestRunStreamsTheOutput(t *testing.T) {
	var out bytes.Buffer
	if err := proc.Run(t.Context(), shell("seq 1 200000"), &out); err != nil {
		t.Fatal(err)
	}
	if lines := bytes.Count(out.Bytes(), []byte("\n")); lines != 200000 {
		t.Errorf("got %d lines, want 200000", lines)
	}
}

func TestAnEndOtherThanZeroIsAnExitError(t *testing.T) {
	for name, c := range map[string]struct{ script, status, tail, message string }{
		"exit status": {"echo some; echo oh no >&2; exit 3", "exit status 3", "oh no", "sh: exit status 3: oh no"},
		"signal":      {"echo some; kill -9 $$", "signal: killed", "", "sh: signal: killed"},
		"a password on stderr is hidden": {"echo 'url postgres://a:pw@h' >&2; echo s3cret-word >&2; exit 1", "exit status 1",
			"url postgres://a:[hidden]@h\n[hidden]", "sh: exit status 1: [hidden]"},
	} {
		t.Run(name, func(t *testing.T) {
			command := shell(c.script)
			command.Secrets = []string{"s3cret-word"}
			err := proc.Run(t.Context(), command, io.Discard)
			var exit *proc.ExitError
			if !errors.As(err, &exit) {
				t.Fatalf("got %v, want an ExitError", err)
			}
			if exit.Status != c.status || exit.Stderr != c.tail || exit.Error() != c.message {
				t.Errorf("got %q, %q, %q", exit.Status, exit.Stderr, exit)
			}
		})
	}
}

func TestTheTailIsBoundedAndBeginsWithAWholeLine(t *testing.T) {
	// The cut falls into a line that is one long secret.
	command := shell(`i=0; while [ $i -lt 40 ]; do i=$((i+1)); printf '%0900d\n' 7 >&2; done; echo last >&2; exit 1`)
	command.Secrets = []string{fmt.Sprintf("%0900d", 7)}
	err := proc.Run(t.Context(), command, io.Discard)
	var exit *proc.ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("got %v, want an ExitError", err)
	}
	if strings.Contains(exit.Stderr, "000") {
		t.Errorf("half a secret shows: %q", exit.Stderr)
	}
	if len(exit.Stderr) > holdfast.MaxReportTail || !strings.HasSuffix(exit.Stderr, "\nlast") {
		t.Errorf("tail of %d bytes ends with %q", len(exit.Stderr), exit.Stderr[max(0, len(exit.Stderr)-20):])
	}
}

// pids sends what a script prints first: its own process number and its child's.
type pids struct {
	c    chan [2]int
	text string
}

func (p *pids) Write(b []byte) (int, error) {
	p.text += string(b)
	if line, _, ok := strings.Cut(p.text, "\n"); ok && p.c != nil {
		var n [2]int
		fmt.Sscan(line, &n[0], &n[1])
		p.c <- n
		p.c = nil
	}
	return len(b), nil
}

func TestTheEndOfTheContextKillsTheWholeGroup(t *testing.T) {
	for name, script := range map[string]string{
		"a program that obeys":            "sleep 1000 & echo $$ $!; wait",
		"a program that ignores SIGTERM":  "trap '' TERM; sleep 1000 & echo $$ $!; wait; wait; while :; do sleep 1000; done",
		"a child that holds the pipe":     "sleep 1000 & echo $$ $!; exit 0",
		"a program that closed its pipes": "sleep 1000 & echo $$ $!; exec >&- 2>&-; wait",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(t.Context())
			w := &pids{c: make(chan [2]int, 1)}
			seen := w.c
			done := make(chan error, 1)
			go func() { done <- proc.Run(ctx, shell(script), w) }()
			started := <-seen
			child, err := unix.PidfdOpen(started[1], 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(child)
			reason := errors.New("enough")
			cancel(reason)
			if err := <-done; !errors.Is(err, reason) {
				t.Errorf("got %v, want %v", err, reason)
			}
			// It has been killed; the kernel may need a moment to end it.
			if n, err := unix.Poll([]unix.PollFd{{Fd: int32(child), Events: unix.POLLIN}}, 10_000); n != 1 {
				t.Errorf("the child still runs: %v", err)
			}
			if err := syscall.Kill(started[0], 0); err != syscall.ESRCH {
				t.Errorf("the program was not reaped: %v", err)
			}
		})
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestAWriterThatFailsStopsTheProgram(t *testing.T) {
	want := errors.New("disk full")
	if err := proc.Run(t.Context(), shell("trap '' PIPE; echo a; sleep 1000"), failing{want}); !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

func TestAProgramThatIsNotThere(t *testing.T) {
	err := proc.Run(t.Context(), proc.Command{Path: "/nonexistent/tool"}, io.Discard)
	if err == nil || err.Error() != "start tool: no such file or directory" {
		t.Errorf("got %v", err)
	}
	_, err = proc.Find(t.TempDir(), "some-package", "tool")
	if err == nil || !strings.Contains(err.Error(), "install some-package") {
		t.Errorf("got %v, want the package to install", err)
	}
}

func TestMemFileHasNoNameAndNoOtherReaders(t *testing.T) {
	f, err := proc.MemFile("s3cret")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	command := shell(`stat -L -c '%a %h' "$1"; cat "$1"`, proc.FirstFile)
	command.Files = []*os.File{f}
	got, err := proc.Output(t.Context(), command)
	if err != nil || got != "600 0\ns3cret" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestToolEnvLeavesSecretsBehind(t *testing.T) {
	t.Setenv("DATABASE_URL", "postgres://a:b@c")
	t.Setenv("PGSSLMODE", "require")
	env := strings.Join(proc.ToolEnv(func(name string) bool { return name == "PGSSLMODE" }), "\n")
	if strings.Contains(env, "DATABASE_URL") || !strings.Contains(env, "PATH=") || !strings.Contains(env, "PGSSLMODE=require") {
		t.Errorf("got %s", env)
	}
}
