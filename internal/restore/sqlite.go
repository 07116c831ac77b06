package restore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/holdfast-backup/holdfast"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

func (b *Backup) intoSQLite(ctx context.Context, target string, o IntoOptions) (Written, error) {
	s, err := b.chooseDump(o.Stream, "SQLite", func(s holdfast.Stream) bool { return s.Source.Kind == "sqlite" })
	if err != nil {
		return Written{}, err
	}
	if target, err = filepath.Abs(target); err != nil {
		return Written{}, fmt.Errorf("restore into %q: %w", target, err)
	}
	dir, name := filepath.Split(target)
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Written{}, fmt.Errorf("restore into %q: %w", target, err)
	}
	defer root.Close()
	// A journal or WAL of an earlier database would be applied to the new one.
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if _, err := root.Lstat(name + suffix); err == nil {
			return Written{}, fmt.Errorf("%q: %w", target+suffix, ErrTargetExists)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return Written{}, fmt.Errorf("restore into %q: %w", target, err)
		}
	}
	if err := removeAbandoned(root, name); err != nil {
		return Written{}, err
	}
	if err := checkSpace(root, s); err != nil {
		return Written{}, err
	}
	p, err := newPartial(root, name, false)
	if err != nil {
		return Written{}, err
	}
	defer p.discard()
	b.begin(s)
	if err := b.read(ctx, s, func(plain io.Reader) error { return copyAll(p.file, plain) }); err != nil {
		return Written{}, fmt.Errorf("restore stream %q into %q: %w", s.Name, target, err)
	}
	if err := checkSQLite(ctx, filepath.Join(dir, p.temp)); err != nil {
		return Written{}, fmt.Errorf("restore stream %q into %q: %w", s.Name, target, err)
	}
	if err := p.sync(); err != nil {
		return Written{}, fmt.Errorf("restore into %q: write to disk: %w", target, err)
	}
	if err := p.commit(); err != nil {
		return Written{}, err
	}
	return Written{Stream: s.Name, Path: target, Size: s.PlainSize}, nil
}

// checkSQLite lets SQLite look through the whole file. The file is opened as
// immutable, so that nothing is made beside it.
func checkSQLite(ctx context.Context, path string) error {
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: "mode=ro&immutable=1"}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return fmt.Errorf("check database: %w", err)
	}
	defer db.Close()
	var verdict string
	if err := db.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&verdict); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("check database: %v: %w", err, holdfast.ErrCorrupt)
	}
	if verdict != "ok" {
		return fmt.Errorf("check database: %s: %w", verdict, holdfast.ErrCorrupt)
	}
	return nil
}
