package proc

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/watch"
)

// stderrKept is more than a report takes, because the first line of what is
// kept is dropped if it was cut: half a password is not recognized as one.
const stderrKept = 2 * holdfast.MaxReportTail

// ExitError is a program that ended otherwise than with exit status 0.
type ExitError struct {
	Tool   string // the program's name, "pg_dump"
	Status string // "exit status 1", "signal: killed"
	Stderr string // the end of its standard error, redacted, at most holdfast.MaxReportTail bytes
}

// Error tells the status and the line of the tail that says most.
func (e *ExitError) Error() string {
	line := telling(e.Stderr)
	if line == "" {
		return e.Tool + ": " + e.Status
	}
	return e.Tool + ": " + e.Status + ": " + line
}

// telling returns the first line that calls itself an error, or else the last:
// after an error many tools go on with advice.
func telling(text string) string {
	last := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.Contains(line, "error:") || strings.Contains(line, "FATAL:") || strings.Contains(line, "ERROR:") {
			return line
		}
		if line != "" {
			last = line
		}
	}
	return last
}

// Tail returns Stderr; failure reports ask for it by this name.
func (e *ExitError) Tail() string { return e.Stderr }

func (c Command) exitError(cmd *exec.Cmd, err error, stderr *watch.Tail) error {
	if _, ok := errors.AsType[*exec.ExitError](err); !ok && (cmd.ProcessState == nil || cmd.ProcessState.Success()) {
		return fmt.Errorf("wait for %s: %v", c.name(), err)
	}
	return &ExitError{Tool: c.name(), Status: cmd.ProcessState.String(), Stderr: StderrText(stderr, c.Secrets...)}
}

// StderrText returns the last whole lines that a program wrote to its standard
// error, without the secrets and what looks like one, fit to be shown: at most
// holdfast.MaxReportTail bytes.
func StderrText(stderr *watch.Tail, secrets ...string) string {
	text := string(stderr.Bytes())
	if stderr.Cut() {
		_, text, _ = strings.Cut(text, "\n")
	}
	text = strings.ToValidUTF8(secret.Redact(text, secrets...), "\uFFFD")
	text = strings.TrimSpace(strings.ReplaceAll(text, "\x00", ""))
	if over := len(text) - holdfast.MaxReportTail; over > 0 {
		text = strings.ToValidUTF8(text[over:], "")
	}
	return text
}
