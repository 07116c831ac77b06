package postgres

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/proc"
)

// Examine implements holdfast.Source. The login and the privileges are proven
// by a dump of the definitions alone: it locks every table as the real one does.
func (s *Source) Examine(ctx context.Context) []holdfast.Examination {
	found, tool := examineTool(ctx, s.options.BinDir, "pg_dump")
	if tool == "" {
		return []holdfast.Examination{found}
	}
	args := slices.DeleteFunc(s.args(), func(arg string) bool { return strings.HasPrefix(arg, "--format=") })
	err := s.target.run(ctx, tool, append(args, "--format=plain", "--schema-only"), io.Discard)
	return []holdfast.Examination{found, examineLogin("postgres login", s.target, err)}
}

// Examine implements holdfast.Source.
func (s *GlobalsSource) Examine(ctx context.Context) []holdfast.Examination {
	found, tool := examineTool(ctx, s.options.BinDir, "pg_dumpall")
	if tool == "" {
		return []holdfast.Examination{found}
	}
	args, err := s.probe(ctx, tool)
	if err == nil && len(args) > len(s.args()) {
		err = s.target.run(ctx, tool, args, io.Discard)
	}
	return []holdfast.Examination{found, examineLogin("postgres globals", s.target, err)}
}

func examineTool(ctx context.Context, dir, name string) (e holdfast.Examination, tool string) {
	e.Name = name
	tool, err := proc.Find(dir, packageHint, name)
	if err == nil {
		e.Detail, err = version(ctx, tool)
	}
	if err != nil {
		e.Detail, e.Hint = err.Error(), "install "+packageHint+", or set bin_dir"
		return e, ""
	}
	e.OK = true
	return e, tool
}

func examineLogin(name string, t target, err error) holdfast.Examination {
	if err == nil {
		return holdfast.Examination{Name: name, OK: true, Detail: "connected to " + t.url}
	}
	e := holdfast.Examination{Name: name, Detail: err.Error()}
	var exit *proc.ExitError
	if !errors.As(err, &exit) {
		return e
	}
	for _, known := range []struct{ text, hint string }{
		{"server version mismatch", "install a pg_dump that is not older than the server, or set bin_dir to it"},
		{"password authentication failed", "check user and password of the url"},
		{"no password supplied", "give the password in the url or as password: env:NAME"},
		{"permission denied", "grant the role pg_read_all_data, or ownership of what it must dump"},
		{"does not exist", "check the database and the role in the url"},
		{"could not connect", "check host and port of the url, and that the server runs"},
		{"connection to server", "check host, port and sslmode of the url, and that the server runs"},
	} {
		if strings.Contains(exit.Stderr, known.text) {
			e.Hint = known.hint
			break
		}
	}
	return e
}
