// Package command is the source whose stream is what a program prints. The
// program's exit status counts; whether its output is whole only the trailer
// can tell, if there is one. No shell is involved.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/proc"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/watch"
)

// Kind is the Facts.Kind of these streams.
const Kind = "command"

// Options says what to run.
type Options struct {
	Run     []string                 // the program and its arguments
	File    string                   // name of the plain stream
	Trailer string                   // text that the last watch.TrailerSize bytes must contain; "" is none
	Env     map[string]secret.Secret // variables added to this process's environment
	Dir     string                   // working directory; "" is this process's
}

// Source runs one program. It implements holdfast.Source.
type Source struct{ options Options }

// New returns the source, or an error if the options cannot be used.
func New(options Options) (*Source, error) {
	if len(options.Run) == 0 || options.Run[0] == "" {
		return nil, errors.New("command: run is empty")
	}
	if err := holdfast.CheckFile(options.File); err != nil {
		return nil, fmt.Errorf("command: %w", err)
	}
	if len(options.Trailer) > watch.TrailerSize {
		return nil, fmt.Errorf("command: trailer is longer than %d bytes", watch.TrailerSize)
	}
	return &Source{options}, nil
}

// File implements holdfast.Source.
func (s *Source) File() string { return s.options.File }

// Dump implements holdfast.Source.
func (s *Source) Dump(ctx context.Context, w io.Writer) (holdfast.Facts, error) {
	facts := holdfast.Facts{Kind: Kind, Tool: s.options.Run[0]}
	path, err := s.find()
	if err != nil {
		return facts, err
	}
	c := proc.Command{Path: path, Args: s.options.Run[1:], Env: os.Environ(), Dir: s.options.Dir}
	for _, name := range slices.Sorted(maps.Keys(s.options.Env)) {
		value := s.options.Env[name].Reveal()
		c.Env = append(c.Env, name+"="+value)
		c.Secrets = append(c.Secrets, value)
	}
	tail := watch.NewTail(watch.TrailerSize)
	if err := proc.Run(ctx, c, io.MultiWriter(tail, w)); err != nil {
		return facts, err
	}
	if err := tail.Check(s.options.Trailer); err != nil {
		return facts, fmt.Errorf("%s exited with 0, but its output is not whole: %w", s.options.Run[0], err)
	}
	return facts, nil
}

func (s *Source) find() (string, error) {
	path, err := exec.LookPath(s.options.Run[0])
	if err != nil {
		return "", fmt.Errorf("find %q: %w", s.options.Run[0], err)
	}
	return path, nil
}

// Examine implements holdfast.Source. It does not run the program.
func (s *Source) Examine(context.Context) []holdfast.Examination {
	e := holdfast.Examination{Name: "command"}
	path, err := s.find()
	if err == nil && s.options.Dir != "" {
		_, err = os.ReadDir(s.options.Dir)
	}
	if err != nil {
		e.Detail, e.Hint = err.Error(), "give the program with its full path, and check dir"
		return []holdfast.Examination{e}
	}
	e.OK, e.Detail = true, path
	if s.options.Trailer == "" {
		e.Hint = "set trailer to the last words of the output, so that a shortened one is noticed"
	}
	return []holdfast.Examination{e}
}
