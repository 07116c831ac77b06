package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/proc"
)

// GlobalsSource dumps what belongs to a server and not to one of its databases:
// roles and tablespaces. It implements holdfast.Source.
//
// Only a superuser may read the hashes of the roles' passwords. For any other
// role the dump is made without them, and says so in a warning: managed servers
// have no superuser to give, and roles without passwords are worth having.
type GlobalsSource struct {
	options Options
	target  target
}

// NewGlobals returns the source. Format, ExcludeTableData and Args have no
// meaning for it.
func NewGlobals(options Options) (*GlobalsSource, error) {
	target, err := parseURL(options.URL, options.Password)
	if err != nil {
		return nil, err
	}
	return &GlobalsSource{options, target}, nil
}

// File implements holdfast.Source.
func (s *GlobalsSource) File() string { return s.options.Name + ".sql" }

// Dump implements holdfast.Source.
func (s *GlobalsSource) Dump(ctx context.Context, w io.Writer) (holdfast.Facts, error) {
	facts := holdfast.Facts{Kind: Kind, Format: Globals}
	tool, err := proc.Find(s.options.BinDir, packageHint, "pg_dumpall")
	if err != nil {
		return facts, err
	}
	if facts.Tool, err = version(ctx, tool); err != nil {
		return facts, err
	}
	args, err := s.probe(ctx, tool)
	if err != nil {
		return facts, err
	}
	if len(args) > len(s.args()) {
		facts.Warn("this login may not read the passwords of roles: they are not in the dump")
	}
	check := newPlainCheck(clusterTrailer)
	if err := s.target.run(ctx, tool, args, io.MultiWriter(check, w)); err != nil {
		return facts, err
	}
	if err := check.Check(); err != nil {
		return facts, fmt.Errorf("pg_dumpall exited with 0, but its output is not whole: %w", err)
	}
	return facts, nil
}

func (s *GlobalsSource) args() []string {
	args := []string{"--globals-only", "--no-password", "--dbname=" + s.target.url}
	if s.target.database != "" {
		// pg_dumpall ignores the database in the URL.
		args = append(args, "--database="+s.target.database)
	}
	return args
}

// probe finds out, by a first run whose output is thrown away, which arguments
// work for this role: pg_dumpall has written half its output when it finds that
// it may not read pg_authid.
func (s *GlobalsSource) probe(ctx context.Context, tool string) ([]string, error) {
	args := s.args()
	err := s.target.run(ctx, tool, args, io.Discard)
	var exit *proc.ExitError
	if errors.As(err, &exit) && strings.Contains(exit.Stderr, "pg_authid") {
		return append(args, "--no-role-passwords"), nil
	}
	return args, err
}
