package restore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/proc"
	"github.com/holdfast-backup/holdfast/internal/watch"
)

// client is a database client to run.
type client struct {
	path     string
	args     []string
	env      []string
	passfile string // content of a file in memory, which the client finds as proc.FirstFile; "" for none
	password string // not to be shown
	lastWord string // what a success has to print last; "" for whatever it prints
}

func (c client) name() string { return filepath.Base(c.path) }

// command returns the client ready to start, and the end of its standard error.
// The caller calls free after it.
func (c client) command() (cmd *exec.Cmd, stderr *watch.Tail, free func(), err error) {
	cmd = exec.Command(c.path, c.args...)
	cmd.Env = append([]string{}, c.env...)
	cmd.WaitDelay = 5 * time.Second // for a grandchild that holds a pipe
	stderr = watch.NewTail(2 * holdfast.MaxReportTail)
	cmd.Stderr = stderr
	cmd.ExtraFiles, free, err = c.files()
	return cmd, stderr, free, err
}

// files returns what the client finds from proc.FirstFile on. The caller calls
// free once the client has ended.
func (c client) files() (files []*os.File, free func(), err error) {
	if c.passfile == "" {
		return nil, func() {}, nil
	}
	f, err := proc.MemFile(c.passfile)
	if err != nil {
		return nil, nil, err
	}
	return []*os.File{f}, func() { f.Close() }, nil
}

// feed gives the client what write writes, as its standard input. The client is
// killed, and never sees the end of its input, when write fails or ctx ends: to
// most clients the end means that all has come. It returns the end of what a
// client that succeeded had to say.
func (c client) feed(ctx context.Context, write func(stdin io.Writer) error) (said string, err error) {
	cmd, stderr, free, err := c.command()
	if err != nil {
		return "", err
	}
	defer free()
	printed := watch.NewTail(len(c.lastWord) + 1)
	if c.lastWord != "" {
		cmd.Stdout = printed
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return "", c.fault(err, stderr)
	}
	if err := cmd.Start(); err != nil {
		return "", c.fault(err, stderr)
	}
	stop := context.AfterFunc(ctx, func() { cmd.Process.Kill() })
	input := &clientInput{w: stdin}
	writeErr := write(input)
	if writeErr == nil {
		writeErr = ctx.Err()
	}
	switch {
	case writeErr == nil:
		stdin.Close()
	case input.err == nil:
		cmd.Process.Kill()
	default:
		// The client has closed its input: it failed by itself, and what it
		// says is the reason.
	}
	waitErr := cmd.Wait() // closes stdin, after the client's end
	stop()
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case writeErr != nil && input.err == nil:
		return "", writeErr
	case waitErr != nil:
		return "", c.fault(waitErr, stderr)
	case writeErr != nil:
		return "", c.fault(errors.New("ended before it had read everything"), stderr)
	case c.lastWord != "" && string(printed.Bytes()) != c.lastWord+"\n":
		return "", c.fault(errors.New("did not take the end of the dump for its end"), stderr)
	}
	return c.said(stderr), nil
}

// clientInput tells a client that went away from other reasons for an end.
type clientInput struct {
	w   io.Writer
	err error
}

func (i *clientInput) Write(p []byte) (int, error) {
	n, err := i.w.Write(p)
	if err != nil {
		i.err = err
	}
	return n, err
}

// output runs the client without input and returns the first 64 KiB of what it
// prints.
func (c client) output(ctx context.Context) (string, error) {
	files, free, err := c.files()
	if err != nil {
		return "", err
	}
	defer free()
	out, err := proc.Output(ctx, proc.Command{Path: c.path, Args: c.args, Env: c.env, Files: files, Secrets: []string{c.password}})
	if exit, ok := errors.AsType[*proc.ExitError](err); ok {
		return "", &ClientError{Client: c.name(), Err: errors.New(exit.Status), Stderr: holdfast.PrintableLines(exit.Stderr)}
	}
	return out, err
}

func (c client) fault(err error, stderr *watch.Tail) error {
	return &ClientError{Client: c.name(), Err: err, Stderr: c.said(stderr)}
}

// said returns the end of the client's standard error, fit to be shown.
func (c client) said(stderr *watch.Tail) string {
	return holdfast.PrintableLines(proc.StderrText(stderr, c.password))
}

// findClient returns the path of the first of names that is installed.
func findClient(binDir string, names ...string) (string, error) {
	path, err := proc.Find(binDir, "the database's client programs", names...)
	if err != nil {
		return "", &ClientError{Client: strings.Join(names, " or "), Err: fmt.Errorf("%w: %v", errNoClient, err)}
	}
	return path, nil
}
