// Package cli is the surface that both programs share: exit codes, hints, what
// goes to which stream, progress. It knows nothing of backups.
//
// Results go to standard output, everything else to standard error. Below the
// commands nothing prints and nothing exits.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/holdfast-backup/holdfast"
)

// Exit codes of both programs.
const (
	ExitOK      = 0 // all well
	ExitFailed  = 1 // failed, or something is unhealthy
	ExitUsage   = 2 // configuration or usage
	ExitPartial = 3 // part of it failed
)

// exitError is an error that ends the program with a code of its own.
type exitError struct {
	error
	code int
}

func (e exitError) Unwrap() error { return e.error }

// Usage marks err as a fault of the configuration or the command line; nil stays nil.
func Usage(err error) error {
	if err == nil {
		return nil
	}
	return exitError{err, ExitUsage}
}

// Partial marks err as the failure of a part.
func Partial(err error) error { return exitError{err, ExitPartial} }

// Silent ends the program with a code after the command has said everything itself.
func Silent(code int) error { return exitError{errSilent, code} }

var errSilent = errors.New("already reported")

// hinted is an error with advice.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }
func (h hinted) Hint() string  { return h.hint }

// Hint adds advice to err for the person at the terminal; nil stays nil.
func Hint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return hinted{err, fmt.Sprintf(format, args...)}
}

// Main runs root until it ends or the process is told to stop by SIGINT or
// SIGTERM, prints its error, and returns the exit code. A second signal kills.
func Main(root *cobra.Command) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return Run(ctx, root)
}

// Run is Main without the signals.
func Run(ctx context.Context, root *cobra.Command) int {
	root.SilenceErrors, root.SilenceUsage = true, true
	ran := false
	noteRun(root, &ran)
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		return ExitOK
	}
	code := ExitFailed
	var exit exitError
	switch {
	case errors.As(err, &exit):
		code = exit.code
	case !ran:
		code = ExitUsage
	}
	if errors.Is(err, errSilent) {
		return code
	}
	fmt.Fprintf(root.ErrOrStderr(), "%s: error: %s\n", root.Name(), holdfast.PrintableLines(strings.TrimSpace(err.Error())))
	var hint interface{ Hint() string }
	if errors.As(err, &hint) && hint.Hint() != "" {
		fmt.Fprintf(root.ErrOrStderr(), "%s: hint: %s\n", root.Name(), holdfast.PrintableLines(hint.Hint()))
	} else if !ran {
		fmt.Fprintf(root.ErrOrStderr(), "%s: hint: see `%s --help`\n", root.Name(), command.CommandPath())
	}
	return code
}

// noteRun has every command at or below the given one set ran when it begins.
// What cobra says of arguments and flags, which it gives no type, comes before.
func noteRun(command *cobra.Command, ran *bool) {
	if run := command.RunE; run != nil {
		command.RunE = func(command *cobra.Command, args []string) error {
			*ran = true
			return run(command, args)
		}
	}
	for _, below := range command.Commands() {
		noteRun(below, ran)
	}
}

// ExactlyOne returns an error unless exactly one of the flags is given.
func ExactlyOne(command *cobra.Command, flags ...string) error {
	given := 0
	for _, flag := range flags {
		if command.Flags().Changed(flag) {
			given++
		}
	}
	if given == 1 {
		return nil
	}
	last := len(flags) - 1
	names := "--" + strings.Join(flags[:last], ", --") + " or --" + flags[last]
	return Usage(Hint(fmt.Errorf("%s: want one of %s", command.Name(), names), "see `%s --help`", command.CommandPath()))
}

// JSON writes v to w as indented JSON.
func JSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// IsTerminal reports whether w is a terminal.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Logger returns a logger on w: text on a terminal, JSON otherwise.
func Logger(w io.Writer, level slog.Level) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if IsTerminal(w) {
		return slog.New(slog.NewTextHandler(w, o))
	}
	return slog.New(slog.NewJSONHandler(w, o))
}
