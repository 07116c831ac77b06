package restore

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/secret"
)

// IntoOptions says how to restore into a database.
type IntoOptions struct {
	// Stream to restore. "": the only one that fits.
	Stream string
	// Force restores into a database that is not empty. Nothing is dropped.
	Force bool
	// NoOwner leaves out who owns what and who may do what; for PostgreSQL
	// dumps in custom format only.
	NoOwner bool
	// TrustHost lets psql run the commands that a plain dump holds for it, on
	// this machine: for dumps of hosts that nobody else can have had.
	TrustHost bool
	// BinDir is where the database's client programs are. "": in PATH.
	BinDir string
}

// Into restores one stream into a database: postgres://user:password@host/name,
// mysql://user:password@host/name, sqlite:PATH or a path that ends in .db,
// .sqlite or .sqlite3. The target is a Secret because it may hold a password.
//
// A PostgreSQL database changes in one transaction, which commits only after
// every byte is proven. MySQL knows no such thing: there a table named
// holdfast_restore_incomplete stands in the database from before the first byte
// until after the last one is proven. A SQLite file gets its name at the end.
//
// A database that is not empty is ErrNotEmpty, a file that is there
// ErrTargetExists, what a client says a *ClientError.
func (b *Backup) Into(ctx context.Context, target secret.Secret, o IntoOptions) (Written, error) {
	text := target.Reveal()
	scheme, _, _ := strings.Cut(text, ":")
	switch {
	case scheme == "postgres" || scheme == "postgresql":
		return b.intoPostgres(ctx, text, o)
	case scheme == "mysql" || scheme == "mariadb":
		return b.intoMySQL(ctx, text, o)
	case scheme == "sqlite":
		return b.intoSQLite(ctx, strings.TrimPrefix(strings.TrimPrefix(text, "sqlite:"), "//"), o)
	case isSQLitePath(text):
		return b.intoSQLite(ctx, text, o)
	}
	return Written{}, fmt.Errorf("restore into database: want postgres://…, mysql://…, sqlite:PATH or a path that ends in .db, .sqlite or .sqlite3")
}

func isSQLitePath(text string) bool {
	switch filepath.Ext(text) {
	case ".db", ".sqlite", ".sqlite3":
		return !strings.Contains(text, "://")
	}
	return false
}

// chooseDump picks the stream for a kind of database: by itself only dumps of
// that kind of source, by name also what a command or stdin yielded.
func (b *Backup) chooseDump(name, what string, fits func(holdfast.Stream) bool) (holdfast.Stream, error) {
	s, err := b.chooseOne(name, what, fits)
	if err != nil || fits(s) {
		return s, err
	}
	switch s.Source.Kind {
	case "command", "stdin", "postgres":
		return s, nil // roles and tablespaces are of kind postgres, and do not fit a database by themselves
	}
	return s, &ChoiceError{fmt.Sprintf("stream %q, of %s, does not fit %s", s.Name, s.Source.Kind, what), b.streamNames()}
}

// where returns the place a target names, for results: without the password.
func where(scheme, host, database string) string { return scheme + "://" + path.Join(host, database) }
