package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/proc"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/source/postgres"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// awkward makes a database of what dumps get wrong.
const awkward = `
CREATE SCHEMA "odd schema";
CREATE TYPE mood AS ENUM ('sad', 'it''s');
CREATE TABLE parent (id serial PRIMARY KEY, name text NOT NULL, mood mood, raw bytea, made timestamptz, price numeric(20,8));
CREATE TABLE "odd schema"."Odd ""Table""" (id bigint GENERATED ALWAYS AS IDENTITY, parent int NOT NULL REFERENCES parent, doc jsonb, tags text[]);
INSERT INTO parent (name, mood, raw, made, price) VALUES
  (E'tab\there\nnew line \\. backslash \\ end', 'it''s', '\x00ff5c2e0a', '2024-02-29 23:59:59.123456+05:30', 1234567890.12345678),
  ('ünïcödé 漢字 🎈', NULL, '', NULL, NULL),
  (E'\\.', 'sad', NULL, 'infinity', 'NaN'),
  (E'--\n-- PostgreSQL database dump complete\n--', 'sad', decode(repeat('00', 300000), 'hex'), NULL, 0);
INSERT INTO parent (name) SELECT repeat(md5(n::text), 30000) FROM generate_series(1, 4) n;
INSERT INTO parent (name) SELECT 'row ' || n FROM generate_series(1, 5000) n;
INSERT INTO "odd schema"."Odd ""Table""" (parent, doc, tags) SELECT id, jsonb_build_object('id', id), ARRAY['a"b', NULL, name] FROM parent WHERE id < 20;
CREATE VIEW happy AS SELECT id FROM parent WHERE mood = 'it''s';
CREATE TABLE sessions (token text);
INSERT INTO sessions VALUES ('secret session');
SELECT setval('parent_id_seq', 77777);
SELECT lo_from_bytea(4711, decode(repeat('deadbeef', 5000), 'hex'));
SELECT lo_from_bytea(4712, '');
`

// rows reads back everything that awkward made.
const rows = `
SELECT id, name, mood, raw, made, price FROM parent ORDER BY id;
SELECT * FROM "odd schema"."Odd ""Table""" ORDER BY id;
SELECT * FROM happy;
SELECT last_value, is_called FROM parent_id_seq;
SELECT oid, lo_get(oid) FROM pg_largeobject_metadata ORDER BY oid;
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace::regnamespace::text !~ '^(pg_|information)' ORDER BY 1;
`

func dump(t testing.TB, options postgres.Options) ([]byte, holdfast.Facts, error) {
	t.Helper()
	options.Name = "crm"
	s, err := postgres.New(options)
	must(t, err)
	var out bytes.Buffer
	facts, err := s.Dump(t.Context(), &out)
	return out.Bytes(), facts, err
}

func TestADumpRestoresRowByRow(t *testing.T) {
	server := testenv.Postgres(t)
	source := server.Database(t)
	testenv.Psql(t, source, awkward)
	want := testenv.Psql(t, source, rows)
	for _, format := range []string{postgres.Plain, postgres.Custom} {
		t.Run(format, func(t *testing.T) {
			out, facts, err := dump(t, postgres.Options{URL: secret.New(source), Format: format, ExcludeTableData: []string{"sessions"}})
			must(t, err)
			target := server.Database(t)
			if format == postgres.Plain {
				testenv.PsqlFrom(t, target, bytes.NewReader(out))
			} else {
				restore := exec.CommandContext(t.Context(), filepath.Join(server.BinDir, "pg_restore"), "--exit-on-error", "--dbname="+target)
				restore.Stdin = bytes.NewReader(out)
				if text, err := restore.CombinedOutput(); err != nil {
					t.Fatalf("pg_restore: %v\n%s", err, text)
				}
			}
			if got := testenv.Psql(t, target, rows); got != want {
				t.Errorf("the rows differ (%d bytes, want %d)", len(got), len(want))
			}
			if got := testenv.Psql(t, target, "SELECT count(*) FROM sessions"); got != "0\n" {
				t.Errorf("excluded rows: %s", got)
			}
			if facts.Kind != "postgres" || facts.Format != format || facts.Stats["tables"] != 3 ||
				!strings.HasPrefix(facts.Engine, "PostgreSQL 1") || !strings.HasPrefix(facts.Tool, "pg_dump 1") {
				t.Errorf("facts: %+v", facts)
			}
		})
	}
}

func TestThePasswordMayComeApartFromTheURL(t *testing.T) {
	server := testenv.Postgres(t)
	u, err := url.Parse(server.Database(t))
	must(t, err)
	u.User = url.User(server.User)
	_, _, err = dump(t, postgres.Options{URL: secret.New(u.String()), Password: secret.New(server.Password)})
	must(t, err)
	_, _, err = dump(t, postgres.Options{URL: secret.New(u.String()), Password: secret.New("wrong")})
	var exit *proc.ExitError
	if !errors.As(err, &exit) || !strings.Contains(exit.Stderr, "password authentication failed") {
		t.Errorf("got %v", err)
	}
}

func TestGlobals(t *testing.T) {
	server := testenv.Postgres(t)
	db := server.Database(t)
	testenv.Psql(t, db, "CREATE ROLE clerk LOGIN PASSWORD 'clerk-password'")
	u, err := url.Parse(db)
	must(t, err)
	for name, c := range map[string]struct {
		user      *url.Userinfo
		passwords bool
	}{
		"a superuser dumps roles with their passwords":       {u.User, true},
		"another role dumps them without, and is told about": {url.UserPassword("clerk", "clerk-password"), false},
	} {
		t.Run(name, func(t *testing.T) {
			u := *u
			u.User = c.user
			s, err := postgres.NewGlobals(postgres.Options{Name: "globals", URL: secret.New(u.String())})
			must(t, err)
			var out bytes.Buffer
			facts, err := s.Dump(t.Context(), &out)
			must(t, err)
			if !strings.Contains(out.String(), "CREATE ROLE clerk;") || strings.Contains(out.String(), "SCRAM-SHA-256$") != c.passwords {
				t.Errorf("got %s", out.String())
			}
			if (len(facts.Warnings) == 0) != c.passwords {
				t.Errorf("warnings: %q", facts.Warnings)
			}
			for _, e := range s.Examine(t.Context()) {
				if !e.OK {
					t.Errorf("%+v", e)
				}
			}
		})
	}
}

func TestExamine(t *testing.T) {
	server := testenv.Postgres(t)
	db := server.Database(t)
	testenv.Psql(t, db, "CREATE TABLE a (n int); CREATE ROLE weak LOGIN PASSWORD 'weak'")
	u, err := url.Parse(db)
	must(t, err)
	u.User = url.UserPassword("weak", "weak")
	for name, c := range map[string]struct {
		options postgres.Options
		ok      bool
		hint    string
	}{
		"all is well":        {postgres.Options{URL: secret.New(db), Format: postgres.Custom}, true, ""},
		"too few privileges": {postgres.Options{URL: secret.New(u.String())}, false, "pg_read_all_data"},
		"no such database":   {postgres.Options{URL: secret.New(db + "x")}, false, "check the database"},
		"no tool":            {postgres.Options{URL: secret.New(db), BinDir: t.TempDir()}, false, "install postgresql-client"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := postgres.New(c.options)
			must(t, err)
			found := s.Examine(t.Context())
			last := found[len(found)-1]
			if last.OK != c.ok || !strings.Contains(last.Hint, c.hint) {
				t.Errorf("got %+v", found)
			}
			if strings.Contains(last.Detail, server.Password) || strings.Contains(last.Detail, url.QueryEscape(server.Password)) {
				t.Errorf("the password shows: %s", last.Detail)
			}
		})
	}
}

// fakeTool puts a shell script in place of pg_dump and returns its directory.
func fakeTool(t *testing.T, name, script string) string {
	t.Helper()
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o755))
	return dir
}

const whole = `printf -- '--\n-- PostgreSQL database dump\n--\n\n\\restrict KEY\n\n-- Dumped from database version 15.1\n\nSELECT 1;\n\n'
trailer() { printf -- '--\n-- PostgreSQL database dump complete\n--\n\n'; }
`

func TestADumpThatIsNotWholeIsAnError(t *testing.T) {
	for name, c := range map[string]struct{ script, want string }{
		"exit status 1 halfway":       {whole + "echo 'connection lost' >&2; exit 1", "pg_dump: exit status 1: connection lost"},
		"exit status 1 after the end": {whole + `trailer; printf '\\unrestrict KEY\n\n'; exit 1`, "exit status 1"},
		"killed":                      {whole + "kill -9 $$", "signal: killed"},
		"empty":                       {"exit 0", "it is empty"},
		"no trailer":                  {whole, "does not end with"},
		"no last line":                {whole + "trailer", `\unrestrict`},
		"the last line of another":    {whole + `trailer; printf '\\unrestrict YEK\n\n'`, `\unrestrict`},
		"something after the trailer": {whole + `trailer; printf '\\unrestrict KEY\n\n'; echo x`, "does not end with"},
		"a password on stderr":        {"echo 'cannot use correct-horse or postgres://a:horse2@b/c' >&2; exit 1", "cannot use [hidden] or postgres://a:[hidden]@b/c"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := dump(t, postgres.Options{URL: secret.New("postgres://a:correct-horse@h/db"), BinDir: fakeTool(t, "pg_dump", c.script)})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "horse") {
				t.Errorf("the password shows: %v", err)
			}
		})
	}
	t.Run("and a whole one is not", func(t *testing.T) {
		_, facts, err := dump(t, postgres.Options{URL: secret.New("postgres://h/db"),
			BinDir: fakeTool(t, "pg_dump", whole+`trailer; printf '\\unrestrict KEY\n\n'`)})
		if err != nil || facts.Engine != "PostgreSQL 15.1" {
			t.Errorf("got %v, %+v", err, facts)
		}
	})
}

func TestTheToolsArgumentsAndEnvironmentHoldNoPassword(t *testing.T) {
	const password = "correct-horse"
	t.Setenv("DATABASE_URL", "postgres://a:"+password+"@h/db?sslmode=require")
	t.Setenv("PGPASSWORD", password)
	dir := fakeTool(t, "pg_dump", `tr '\0' '\n' </proc/self/cmdline; tr '\0' '\n' </proc/$$/cmdline; tr '\0' '\n' </proc/$$/environ
cat "$PGPASSFILE" >"$(dirname "$0")/passfile"; exit 0`)
	out, _, err := dump(t, postgres.Options{URL: secret.New(os.Getenv("DATABASE_URL")), BinDir: dir})
	if err == nil || !bytes.Contains(out, []byte("--dbname=postgres://a@h/db?sslmode=require")) || !bytes.Contains(out, []byte("PGPASSFILE=")) {
		t.Fatalf("got %v, %s", err, out)
	}
	if bytes.Contains(out, []byte(password)) {
		t.Errorf("the password shows:\n%s", out)
	}
	if got, _ := os.ReadFile(dir + "/passfile"); string(got) != "*:*:*:*:"+password+"\n" {
		t.Errorf("password file: %q", got)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestDumpStopsWithItsWriterAndItsContext(t *testing.T) {
	dir := fakeTool(t, "pg_dump", "echo begin; exec sleep 1000")
	s, err := postgres.New(postgres.Options{URL: secret.New("postgres://h/db"), BinDir: dir})
	must(t, err)
	want := errors.New("line is down")
	if _, err := s.Dump(t.Context(), failing{want}); !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	go func() { io.ReadFull(r, make([]byte, 1)); cancel(); io.Copy(io.Discard, r) }()
	if _, err := s.Dump(ctx, w); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestFileNames(t *testing.T) {
	got := make(map[string]string)
	for _, format := range []string{"", postgres.Plain, postgres.Custom} {
		s, err := postgres.New(postgres.Options{Name: "crm", URL: secret.New("postgres://h/db"), Format: format})
		must(t, err)
		got[format] = s.File()
	}
	if diff := cmp.Diff(map[string]string{"": "crm.sql", "plain": "crm.sql", "custom": "crm.dump"}, got); diff != "" {
		t.Error(diff)
	}
	if _, err := postgres.New(postgres.Options{URL: secret.New("postgres://h/db"), Format: "tar"}); err == nil {
		t.Error("an unknown format was accepted")
	}
}
