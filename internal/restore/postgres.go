package restore

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/proc"
)

// userObjects counts what users have made in a database: relations that no
// extension brought.
const userObjects = `SELECT count(*) FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
  WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')`

// customMagic is how pg_dump's custom format begins.
var customMagic = []byte("PGDMP")

func (b *Backup) intoPostgres(ctx context.Context, text string, o IntoOptions) (Written, error) {
	s, err := b.chooseDump(o.Stream, "PostgreSQL", func(s holdfast.Stream) bool {
		return s.Source.Kind == "postgres" && s.Source.Format != "globals"
	})
	if err != nil {
		return Written{}, err
	}
	db, err := parsePostgres(text)
	if err != nil {
		return Written{}, err
	}
	psql, err := findClient(o.BinDir, "psql")
	if err != nil {
		return Written{}, err
	}
	if !o.Force && s.Source.Format != "globals" {
		count, err := db.client(psql, "-X", "-A", "-t", "-q", "-w", "-v", "ON_ERROR_STOP=1", "-c", userObjects).output(ctx)
		if err != nil {
			return Written{}, err
		}
		if strings.TrimSpace(count) != "0" {
			return Written{}, fmt.Errorf("restore into %s: %w", db.shown, ErrNotEmpty)
		}
	}
	b.begin(s)
	said := ""
	err = b.read(ctx, s, func(plain io.Reader) error {
		said, err = db.restore(ctx, psql, s, plain, o)
		return err
	})
	if err != nil {
		return Written{}, fmt.Errorf("restore stream %q into %s: %w", s.Name, db.shown, err)
	}
	if said != "" {
		b.options.Warn(said)
	}
	return Written{Stream: s.Name, Path: db.shown, Size: s.PlainSize}, nil
}

// postgres is a database to restore into.
type postgres struct {
	url      string // without the password
	shown    string // host and name
	password string
}

// parsePostgres takes the password out of the URL. Its errors show nothing of
// the text, which may have its password anywhere.
func parsePostgres(text string) (postgres, error) {
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" {
		return postgres{}, errors.New("postgres url: want postgres://user@host:port/database, with special characters percent-encoded")
	}
	var db postgres
	if password, ok := u.User.Password(); ok {
		db.password = password
		u.User = url.User(u.User.Username())
	}
	query := u.Query()
	if password := query.Get("password"); password != "" {
		db.password = password
		query.Del("password")
		u.RawQuery = query.Encode()
	}
	if query.Has("sslpassword") {
		return postgres{}, errors.New("postgres url: sslpassword would show in the process list; use a key without a passphrase")
	}
	if strings.ContainsAny(db.password, "\x00\r\n") {
		return postgres{}, errors.New("postgres url: the password has a line end or a zero byte, which no password file can hold")
	}
	db.url, db.shown = u.String(), where("postgres", u.Host, u.Path)
	return db, nil
}

// client returns a client of the database, which finds the password in a
// password file in memory.
func (db postgres) client(path string, args ...string) client {
	c := client{path: path, args: append(args, "--dbname="+db.url), password: db.password}
	given := db.password != ""
	c.env = proc.ToolEnv(func(name string) bool {
		return strings.HasPrefix(name, "KRB5") || strings.HasPrefix(name, "PG") &&
			(!given || name != "PGPASSWORD" && name != "PGPASSFILE")
	})
	if _, set := os.LookupEnv("PGCONNECT_TIMEOUT"); !set {
		c.env = append(c.env, "PGCONNECT_TIMEOUT=30")
	}
	if given {
		c.passfile = "*:*:*:*:" + strings.NewReplacer(`\`, `\\`, `:`, `\:`).Replace(db.password) + "\n"
		c.env = append(c.env, "PGPASSFILE="+proc.FirstFile)
	}
	return c
}

// restore feeds the stream to the client that its format is for.
func (db postgres) restore(ctx context.Context, psql string, s holdfast.Stream, plain io.Reader, o IntoOptions) (said string, err error) {
	head := bufio.NewReaderSize(plain, 64<<10)
	magic, err := head.Peek(len(customMagic))
	switch {
	case err != nil && err != io.EOF:
		return "", err
	case bytes.Equal(magic, customMagic):
		return db.restoreCustom(ctx, head, o)
	case s.Source.Format == "globals":
		return db.restoreGlobals(ctx, psql, head, o)
	case o.NoOwner:
		return "", errors.New("a plain dump names its owners in its SQL, which cannot be left out")
	}
	return db.restorePlain(ctx, psql, head, o)
}

// restoreCustom feeds an archive to pg_restore, which commits after the last
// entry. The archive's end, without which there is no last entry, is held back
// until everything is proven.
func (db postgres) restoreCustom(ctx context.Context, plain io.Reader, o IntoOptions) (said string, err error) {
	path, err := findClient(o.BinDir, "pg_restore")
	if err != nil {
		return "", err
	}
	args := []string{"-w", "--single-transaction", "--exit-on-error"}
	if o.NoOwner {
		args = append(args, "--no-owner", "--no-privileges")
	}
	return db.client(path, args...).feed(ctx, func(stdin io.Writer) error { return feedProven(stdin, plain) })
}

// feedProven copies the stream, its end only after all of it is proven.
func feedProven(w io.Writer, plain io.Reader) error {
	held := &holder{w: w}
	if err := copyAll(held, plain); err != nil {
		return err
	}
	return held.release()
}
