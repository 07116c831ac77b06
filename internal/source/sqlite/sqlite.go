// Package sqlite is the source that takes a consistent snapshot of a SQLite
// database while others write to it. It opens the database read-only and never
// copies the file as such: half of what a file copy holds may be of another
// transaction.
//
// In WAL mode one read transaction streams the pages as they are; writers go on,
// and the -wal file grows until the stream has ended. In the other journal modes
// a reader keeps writers out, so the online backup API makes a private copy at
// the speed of the disk, and that is streamed.
//
// The stream is a database file. That its size and header agree is proven;
// whether the content is sound is for a restore to check (PRAGMA
// integrity_check), since that reads everything twice.
package sqlite

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/holdfast-backup/holdfast"
)

// Kind is the Facts.Kind of these dumps.
const Kind = "sqlite"

// Format is the Facts.Format: a database file.
const Format = "sqlite"

// Options says what to dump and how.
type Options struct {
	Name    string // of the stream; File adds ".sqlite"
	Path    string // of the database file
	TempDir string // for the copy, where the journal mode needs one; "" is os.TempDir()
}

// Source dumps one database. It implements holdfast.Source.
type Source struct{ options Options }

// New returns the source, or an error if the options cannot be used. It does
// not open the database.
func New(options Options) (*Source, error) {
	if options.Path == "" {
		return nil, errors.New("sqlite: path is empty")
	}
	var err error
	if options.Path, err = filepath.Abs(options.Path); err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	return &Source{options}, nil
}

// File implements holdfast.Source.
func (s *Source) File() string { return s.options.Name + ".sqlite" }

// Dump implements holdfast.Source.
func (s *Source) Dump(ctx context.Context, w io.Writer) (holdfast.Facts, error) {
	facts := holdfast.Facts{Kind: Kind, Format: Format}
	db, err := open(ctx, s.options.Path)
	if err != nil {
		return facts, err
	}
	defer db.Close()
	var tables int64
	err = db.QueryRowContext(ctx, `SELECT sqlite_version(), count(*) FROM sqlite_schema
		WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'`).Scan(&facts.Engine, &tables)
	if err != nil {
		return facts, db.fail(err)
	}
	facts.Engine = "SQLite " + facts.Engine
	facts.Stats = map[string]int64{"tables": tables}
	out := bufio.NewWriterSize(w, 256<<10)
	if db.mode == "wal" {
		err = db.stream(ctx, out)
	} else {
		err = db.copyAndStream(ctx, s.options.TempDir, out)
	}
	if err != nil {
		return facts, err
	}
	if err := db.undisturbed(); err != nil {
		return facts, err
	}
	return facts, out.Flush()
}

// Examine implements holdfast.Source.
func (s *Source) Examine(ctx context.Context) []holdfast.Examination {
	e := holdfast.Examination{Name: "sqlite database"}
	db, err := open(ctx, s.options.Path)
	if err == nil {
		defer db.Close()
		var tables int64
		if err = db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
			err = db.fail(err)
		}
	}
	if err != nil {
		e.Detail, e.Hint = err.Error(), "check the path, and that this user may read the file and write in its directory"
		return []holdfast.Examination{e}
	}
	e.OK, e.Detail = true, fmt.Sprintf("%q, journal mode %s", s.options.Path, db.mode)
	return []holdfast.Examination{e}
}

// database is one read-only connection.
type database struct {
	*sql.Conn
	pool *sql.DB
	path string
	mode string // journal mode
	// still is what the file looked like, where nothing but its being left
	// alone makes the snapshot consistent; nil where locks do.
	still os.FileInfo
	// tidy is whether reading made a -wal and a -shm file that were not there.
	tidy bool
}

// open opens an existing database.
func open(ctx context.Context, path string) (*database, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("open sqlite database: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() == 0 {
		return nil, fmt.Errorf("open sqlite database %q: is empty or no file", path)
	}
	beside := exists(path + "-wal")
	db, err := connect(ctx, path, "mode=ro&_pragma=busy_timeout(30000)")
	if err == nil {
		db.tidy = !beside && db.mode == "wal"
		return db, nil
	}
	if !mayNotWriteBeside(err) || exists(path+"-wal") {
		return nil, err
	}
	// A database that was last used in WAL mode, in a directory in which
	// SQLite may not make the -wal and -shm files that a reader needs. While
	// there is no -wal nobody writes, which undisturbed checks in the end.
	db, err = connect(ctx, path, "mode=ro&immutable=1")
	if err == nil {
		db.still = info
	}
	return db, err
}

func connect(ctx context.Context, path, query string) (*database, error) {
	u := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: query}
	db := &database{path: path}
	var err error
	if db.pool, err = sql.Open("sqlite", u.String()); err != nil {
		return nil, db.fail(err)
	}
	if db.Conn, err = db.pool.Conn(ctx); err != nil {
		db.pool.Close()
		return nil, db.fail(err)
	}
	if err := db.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&db.mode); err != nil {
		db.Close()
		return nil, db.fail(err)
	}
	// The journal mode is known before the file is; this reads its first page.
	var pages int64
	if err := db.QueryRowContext(ctx, "PRAGMA page_count").Scan(&pages); err != nil {
		db.Close()
		return nil, db.fail(err)
	}
	return db, nil
}

// Close closes the connection and its pool. A connection that may only read
// leaves a -wal and a -shm file behind, which the next user of the database may
// not be allowed to write; the last one that may write takes them away, if no
// other has the database open.
func (db *database) Close() error {
	err := errors.Join(db.Conn.Close(), db.pool.Close())
	if db.tidy {
		if last, err := connect(context.Background(), db.path, "mode=rw&_pragma=query_only(1)"); err == nil {
			last.Close()
		}
	}
	return err
}

func (db *database) fail(err error) error {
	return fmt.Errorf("read sqlite database %q: %w", db.path, err)
}

// undisturbed returns an error if the file was written to although no lock
// kept it from being.
func (db *database) undisturbed() error {
	if db.still == nil {
		return nil
	}
	now, err := os.Stat(db.path)
	if err != nil {
		return db.fail(err)
	}
	if exists(db.path+"-wal") || now.Size() != db.still.Size() || !now.ModTime().Equal(db.still.ModTime()) {
		return db.fail(errors.New("it was written to while it was read, in a directory where this user cannot take part in its locking"))
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// mayNotWriteBeside reports whether err says that files beside the database
// could not be made.
func mayNotWriteBeside(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && (e.Code()&0xff == sqlite3.SQLITE_CANTOPEN || e.Code()&0xff == sqlite3.SQLITE_READONLY)
}
