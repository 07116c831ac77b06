// Package postgres is the source that dumps a PostgreSQL database with pg_dump,
// and a server's roles and tablespaces with pg_dumpall. It proves that a dump is
// whole by the tool's exit status and the dump's own structure. It does not
// restore.
package postgres

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/proc"
	"github.com/holdfast-backup/holdfast/internal/secret"
)

// Formats of a dump.
const (
	Plain  = "plain"  // SQL, restorable by psql
	Custom = "custom" // pg_dump's archive, uncompressed, restorable by pg_restore
	// Globals is the Facts.Format of NewGlobals: SQL, restorable by psql.
	Globals = "globals"
)

// Kind is the Facts.Kind of both sources.
const Kind = "postgres"

// Options says what to dump and how.
type Options struct {
	Name     string        // of the stream; File adds ".sql" or ".dump"
	URL      secret.Secret // postgres://user:password@host:port/database?parameters, as libpq takes it
	Password secret.Secret // where the URL has none
	Format   string        // Plain, the default, or Custom
	// ExcludeTableData are patterns of tables whose rows are left out.
	ExcludeTableData []string
	Args             []string // more arguments for pg_dump; never a password
	BinDir           string   // of pg_dump and pg_dumpall; "" is PATH
}

// Source dumps one database. It implements holdfast.Source.
type Source struct {
	options Options
	target  target
}

// New returns the source, or an error if the options cannot be used. It does
// not connect.
func New(options Options) (*Source, error) {
	target, err := parseURL(options.URL, options.Password)
	if err != nil {
		return nil, err
	}
	switch options.Format {
	case "":
		options.Format = Plain
	case Plain, Custom:
	default:
		return nil, fmt.Errorf("postgres format %q: want %s or %s", options.Format, Plain, Custom)
	}
	return &Source{options, target}, nil
}

// File implements holdfast.Source.
func (s *Source) File() string {
	if s.options.Format == Custom {
		return s.options.Name + ".dump"
	}
	return s.options.Name + ".sql"
}

// Dump implements holdfast.Source.
func (s *Source) Dump(ctx context.Context, w io.Writer) (holdfast.Facts, error) {
	facts := holdfast.Facts{Kind: Kind, Format: s.options.Format}
	tool, err := proc.Find(s.options.BinDir, packageHint, "pg_dump")
	if err != nil {
		return facts, err
	}
	check := newPlainCheck(databaseTrailer)
	var proof proof = check
	if s.options.Format == Custom {
		archive := NewArchive()
		defer archive.Stop()
		proof = archive
	}
	if err := s.target.run(ctx, tool, s.args(), io.MultiWriter(proof, w)); err != nil {
		return facts, err
	}
	if err := proof.Check(); err != nil {
		return facts, fmt.Errorf("pg_dump exited with 0, but its output is not whole: %w", err)
	}
	proof.describe(&facts)
	return facts, nil
}

// proof judges a dump that streams through it.
type proof interface {
	io.Writer
	Check() error // nil if what was written is one whole dump
	describe(*holdfast.Facts)
}

const packageHint = "postgresql-client (not older than the server)"

func (s *Source) args() []string {
	args := []string{"--format=" + s.options.Format, "--no-password", "--dbname=" + s.target.url}
	if s.options.Format == Custom {
		args = append(args, "--compress=0")
	}
	for _, table := range s.options.ExcludeTableData {
		args = append(args, "--exclude-table-data="+table)
	}
	return append(args, s.options.Args...)
}

// run runs a PostgreSQL client. The password reaches it as a password file in
// memory, so that it stands neither in argv nor in the environment nor on disk.
func (t target) run(ctx context.Context, tool string, args []string, w io.Writer) error {
	c := proc.Command{Path: tool, Args: args, Secrets: []string{t.password}}
	given := t.password != ""
	c.Env = proc.ToolEnv(func(name string) bool {
		return strings.HasPrefix(name, "KRB5") || strings.HasPrefix(name, "PG") &&
			name != "PGPASSWORD" && (name != "PGPASSFILE" || !given)
	})
	if _, set := os.LookupEnv("PGCONNECT_TIMEOUT"); !set {
		c.Env = append(c.Env, "PGCONNECT_TIMEOUT=30")
	}
	if given {
		file, err := proc.MemFile(passfile(t.password))
		if err != nil {
			return err
		}
		defer file.Close()
		c.Files = []*os.File{file}
		c.Env = append(c.Env, "PGPASSFILE="+proc.FirstFile)
	}
	return proc.Run(ctx, c, w)
}

// version returns what the tool says to --version, "pg_dump (PostgreSQL) 15.18".
func version(ctx context.Context, tool string) (string, error) {
	out, err := proc.Output(ctx, proc.Command{Path: tool, Args: []string{"--version"}, Env: proc.ToolEnv(nil)})
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(out, filepath.Base(tool)+" (PostgreSQL)") {
		return "", fmt.Errorf("%s --version: does not answer like PostgreSQL's", tool)
	}
	return strings.TrimSpace(out), nil
}
