// Package proc runs other people's programs, dump tools above all: standard
// output streams to a writer, the end of standard error is kept for the failure
// report, the process group dies with the context, and the exit status counts.
// Linux only: secrets reach the program in memory files that have no name.
package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-backup/holdfast/internal/watch"
)

// Command is a program to run once.
type Command struct {
	Path    string     // of the executable
	Args    []string   // without the program's name
	Env     []string   // the whole environment
	Dir     string     // working directory; "" is this process's
	Files   []*os.File // become file descriptors 3, 4, …; the caller closes them
	Secrets []string   // what must not show in an error
}

const (
	// grace is how long a program has between SIGTERM and SIGKILL: enough for
	// pg_dump to cancel its query on the server.
	grace = 2 * time.Second
	// bufferSize is what one read takes; also the size asked for the pipe.
	bufferSize = 256 << 10
)

// Run runs the program with no input and copies its output to w until it exits.
// A nil error means exit status 0 and everything written. If ctx ends or w
// fails, the program and all of its process group are stopped, with SIGTERM and
// then SIGKILL, before Run returns the cause; it wraps context.Cause(ctx) or
// w's error. Any other end is an *ExitError.
func Run(ctx context.Context, c Command, w io.Writer) error {
	running, stop := context.WithCancel(ctx)
	defer stop()
	cmd := exec.CommandContext(running, c.Path, c.Args...)
	cmd.Env, cmd.Dir, cmd.ExtraFiles = append([]string{}, c.Env...), c.Dir, c.Files
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stderr := watch.NewTail(stderrKept)
	cmd.Stderr = stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("start %s: %v", c.name(), err)
	}
	widen(stdout)
	cmd.Cancel = func() error { return killGroup(cmd, syscall.SIGTERM) }
	cmd.WaitDelay = grace
	if err := cmd.Start(); err != nil {
		stdout.Close()
		return fmt.Errorf("start %s: %w", c.name(), startCause(err))
	}
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		<-running.Done()
		select {
		case <-ended:
		case <-time.After(grace):
			killGroup(cmd, syscall.SIGKILL)
			stdout.Close() // a descendant that left the group may hold the other end
		}
	}()
	writeErr, readErr := pump(w, stdout)
	if writeErr != nil {
		stop()
		stdout.Close()
	}
	waitErr := cmd.Wait()
	switch {
	case writeErr != nil:
		killGroup(cmd, syscall.SIGKILL)
		return writeErr
	case ctx.Err() != nil:
		killGroup(cmd, syscall.SIGKILL)
		return fmt.Errorf("%s: stopped: %w", c.name(), context.Cause(ctx))
	case waitErr != nil:
		return c.exitError(cmd, waitErr, stderr)
	case readErr != nil:
		return fmt.Errorf("read output of %s: %v", c.name(), readErr)
	}
	return nil
}

// Output runs the program and returns what it prints, at most 64 KiB of it.
func Output(ctx context.Context, c Command) (string, error) {
	var b strings.Builder
	if err := Run(ctx, c, &limited{&b, 64 << 10}); err != nil {
		return "", err
	}
	return b.String(), nil
}

func (c Command) name() string { return c.Path[strings.LastIndexByte(c.Path, '/')+1:] }

// pump copies until the end of r or the first error, and tells whose it was.
func pump(w io.Writer, r io.Reader) (writeErr, readErr error) {
	buf := make([]byte, bufferSize)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return err, nil
			}
		}
		if err == io.EOF {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// killGroup signals every process of the program's group. The program is its leader,
// so the group's number is taken as long as one of them lives.
func killGroup(cmd *exec.Cmd, sig syscall.Signal) error {
	err := syscall.Kill(-cmd.Process.Pid, sig)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// startCause drops the path that os/exec repeats in front of the cause.
func startCause(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

type limited struct {
	w    io.Writer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	n := min(len(p), l.left)
	l.left -= n
	if _, err := l.w.Write(p[:n]); err != nil {
		return 0, err
	}
	return len(p), nil
}
