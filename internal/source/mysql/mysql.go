// Package mysql is the source that dumps a MySQL or MariaDB database with
// mysqldump or mariadb-dump, in one consistent transaction, with routines,
// events and triggers. It proves that a dump is whole by the tool's exit status
// and the dump's last line. It does not restore.
package mysql

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/proc"
	"github.com/holdfast-backup/holdfast/internal/secret"
)

// Kinds of servers; also the Facts.Kind of their dumps.
const (
	MySQL   = "mysql"
	MariaDB = "mariadb"
)

// Format is the Facts.Format of a dump: SQL, restorable by mysql or mariadb.
const Format = "plain"

// Options says what to dump and how.
type Options struct {
	Name string // of the stream; File adds ".sql"
	Kind string // MySQL or MariaDB: whose tool to prefer
	// URL is mysql://user:password@host:port/database, or mariadb://…; a
	// socket: mysql://user@/database?socket=/path.
	URL      secret.Secret
	Password secret.Secret // where the URL has none
	// DefaultsFile is an option file of the user's own with login and
	// password; user, host and port may then be missing in the URL.
	DefaultsFile string
	// ExcludeTableData are tables ("sessions" or "crm.sessions") whose rows
	// are left out; their definitions and triggers stay.
	ExcludeTableData []string
	Args             []string // more arguments for the dump tool; never a password
	BinDir           string   // of the dump tool; "" is PATH
}

// Source dumps one database. It implements holdfast.Source.
type Source struct {
	options Options
	target  target
	exclude []string // tables, without the database
}

// New returns the source, or an error if the options cannot be used. It does
// not connect.
func New(options Options) (*Source, error) {
	if options.Kind != MySQL && options.Kind != MariaDB {
		return nil, fmt.Errorf("database kind %q: want %s or %s", options.Kind, MySQL, MariaDB)
	}
	t, err := parseURL(options.URL, options.Password)
	if err != nil {
		return nil, err
	}
	if options.DefaultsFile != "" && t.password != "" {
		return nil, errors.New("mysql: the password is given both with the url and by the defaults file")
	}
	s := &Source{options: options, target: t}
	for _, table := range options.ExcludeTableData {
		table = strings.TrimPrefix(table, t.database+".")
		if table == "" || strings.HasPrefix(table, "-") {
			return nil, fmt.Errorf("mysql: exclude table data %q: not the name of a table", table)
		}
		s.exclude = append(s.exclude, table)
	}
	return s, nil
}

// File implements holdfast.Source.
func (s *Source) File() string { return s.options.Name + ".sql" }

// Dump implements holdfast.Source.
func (s *Source) Dump(ctx context.Context, w io.Writer) (holdfast.Facts, error) {
	facts := holdfast.Facts{Kind: s.options.Kind, Format: Format}
	tool, err := s.find(ctx)
	if err != nil {
		return facts, err
	}
	facts.Tool = tool.version
	tables := map[string]int64{"tables": 0}
	for _, args := range s.passes() {
		check := newCheck()
		if err := s.run(ctx, tool, args, io.MultiWriter(check, w)); err != nil {
			return facts, err
		}
		if err := check.done(); err != nil {
			return facts, fmt.Errorf("%s exited with 0, but its output is not whole: %w", tool.name(), err)
		}
		facts.Engine = check.engine
		tables["tables"] += check.tables
		for _, table := range check.loose {
			facts.Warn(table + ", so a single transaction does not cover it: its rows may be newer than the rest")
		}
	}
	facts.Stats = tables
	return facts, nil
}

// passes returns the arguments of each run of the dump tool, in order. Tables
// without rows need a run of their own, since mysqldump has no switch for them;
// it comes first because views and triggers of the others may name them. Both
// outputs are whole scripts, and the last line of the second ends the dump.
func (s *Source) passes() [][]string {
	db := s.target.database
	rest := []string{"--routines", "--events"}
	if len(s.exclude) == 0 {
		return [][]string{append(rest, db)}
	}
	for _, table := range s.exclude {
		rest = append(rest, "--ignore-table="+db+"."+table)
	}
	definitions := append([]string{"--no-data", "--skip-routines", "--skip-events", db}, s.exclude...)
	return [][]string{definitions, append(rest, db)}
}

// run runs one pass. The login reaches the tool as an option file in memory; it
// must be the first argument.
func (s *Source) run(ctx context.Context, tool tool, pass []string, w io.Writer) error {
	c := proc.Command{Path: tool.path, Env: proc.ToolEnv(nil), Secrets: []string{s.target.password}}
	file, err := s.target.login(&c, s.options.DefaultsFile)
	if err != nil {
		return err
	}
	if file != nil {
		defer file.Close()
	}
	c.Args = append(c.Args, "--single-transaction", "--quick", "--triggers", "--hex-blob",
		"--default-character-set=utf8mb4", "--no-tablespaces")
	if !tool.mariaDB {
		// Without these a dump from a server with GTIDs does not load into
		// another one, and one from an older server fails.
		c.Args = append(c.Args, "--loose-set-gtid-purged=OFF", "--loose-column-statistics=0")
	}
	c.Args = append(append(c.Args, s.options.Args...), pass...)
	return proc.Run(ctx, c, w)
}
