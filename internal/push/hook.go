package push

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// hooks runs hooks one after the other until one fails.
func (r *run) hooks(ctx context.Context, hooks [][]string) error {
	for _, h := range hooks {
		if err := r.hook(ctx, h); err != nil {
			return err
		}
	}
	return nil
}

// hook runs one hook. What it writes is kept for the report of its failure only.
func (r *run) hook(ctx context.Context, argv []string, env ...string) error {
	if len(argv) == 0 {
		return errors.New("hook: no program given")
	}
	timeout := r.job.Hooks.Timeout
	if timeout <= 0 {
		timeout = DefaultHookTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("not finished within %s", timeout))
	defer cancel()

	var output lastBytes
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), append([]string{"HOLDFAST_HOST=" + r.job.Host, "HOLDFAST_JOB=" + r.job.Name}, env...)...)
	cmd.Stdout, cmd.Stderr = &output, &output
	// What a hook left running holds its output open; the run does not wait for it.
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil
	}
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return &hookError{argv[0], err, output.text()}
}

type hookError struct {
	program string
	cause   error
	output  string
}

func (e *hookError) Error() string { return fmt.Sprintf("hook %q: %v", e.program, e.cause) }
func (e *hookError) Unwrap() error { return e.cause }

// Tail returns the end of the hook's output.
func (e *hookError) Tail() string { return e.output }

// lastBytes keeps the end of what is written to it.
type lastBytes struct {
	mu  sync.Mutex // after WaitDelay the hook's output may still be copied
	buf []byte
	cut bool
}

// twice what is kept in the end: the first line is dropped if it was cut, since
// half a password is not recognized as one.
const lastBytesKept = 2 * holdfast.MaxReportTail

func (l *lastBytes) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf = append(l.buf, p...)
	if over := len(l.buf) - lastBytesKept; over > 0 {
		l.buf, l.cut = append(l.buf[:0], l.buf[over:]...), true
	}
	return len(p), nil
}

func (l *lastBytes) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := string(l.buf)
	if l.cut {
		_, text, _ = strings.Cut(text, "\n")
	}
	return text
}
