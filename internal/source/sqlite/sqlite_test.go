package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/source/sqlite"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var sometime = time.Unix(1700000000, 0)

const accounts, balance = 2000, 100

// bank makes a database of accounts whose balances always add up to the same.
func bank(t testing.TB, path, journal string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path+"?_pragma=busy_timeout(30000)&_pragma=synchronous(off)&_pragma=journal_mode("+journal+")")
	must(t, err)
	t.Cleanup(func() { db.Close() })
	for _, statement := range []string{
		"CREATE TABLE account (id INTEGER PRIMARY KEY, balance INT NOT NULL, note TEXT)",
		fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < %d)
			INSERT INTO account SELECT i, %d, hex(randomblob(200)) FROM n`, accounts, balance),
		"CREATE INDEX by_note ON account (note)",
	} {
		_, err := db.Exec(statement)
		must(t, err)
	}
	return db
}

// transfer moves money between far-apart pages, in one transaction.
func transfer(db *sql.DB, i int) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	from, to := i%accounts+1, (i*7919+accounts/2)%accounts+1
	if _, err := tx.Exec("UPDATE account SET balance = balance - 1, note = hex(randomblob(200)) WHERE id = ?", from); err != nil {
		return err
	}
	if _, err := tx.Exec("UPDATE account SET balance = balance + 1, note = hex(randomblob(200)) WHERE id = ?", to); err != nil {
		return err
	}
	return tx.Commit()
}

// checkBank checks what was restored, with the sqlite3 client.
func checkBank(t testing.TB, image []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "restored")
	must(t, os.WriteFile(path, image, 0o600))
	db, err := sql.Open("sqlite", path)
	must(t, err)
	defer db.Close()
	var check string
	must(t, db.QueryRow("PRAGMA integrity_check").Scan(&check))
	if check != "ok" {
		t.Errorf("integrity_check: %s", check)
	}
	var n, sum int64
	must(t, db.QueryRow("SELECT count(*), sum(balance) FROM account").Scan(&n, &sum))
	if n != accounts || sum != accounts*balance {
		t.Errorf("got %d accounts with %d, want %d with %d", n, sum, accounts, accounts*balance)
	}
}

func dump(t testing.TB, path string, w io.Writer) (holdfast.Facts, error) {
	t.Helper()
	s, err := sqlite.New(sqlite.Options{Name: "bank", Path: path, TempDir: t.TempDir()})
	must(t, err)
	return s.Dump(t.Context(), w)
}

// gate lets a writer commit between two writes of a dump.
type gate struct {
	image   bytes.Buffer
	between func()
}

func (g *gate) Write(p []byte) (int, error) {
	g.between()
	return g.image.Write(p)
}

func TestASnapshotUnderABusyWriterIsOneState(t *testing.T) {
	for _, journal := range []string{"wal", "delete", "truncate", "persist"} {
		t.Run(journal, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "bank.db")
			db := bank(t, path, journal)
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			var commits int
			go func() {
				for ctx.Err() == nil {
					if err := transfer(db, commits); err != nil {
						done <- err
						return
					}
					commits++
				}
				done <- nil
			}()
			for range 5 {
				var image bytes.Buffer
				facts, err := dump(t, path, &image)
				must(t, err)
				checkBank(t, image.Bytes())
				if !strings.HasPrefix(facts.Engine, "SQLite 3.") || facts.Stats["tables"] != 1 {
					t.Errorf("facts: %+v", facts)
				}
			}
			stop()
			must(t, <-done)
			if commits == 0 {
				t.Error("nothing was written meanwhile")
			}
		})
	}
}

func TestWritersGoOnWhileASlowLineUploads(t *testing.T) {
	for _, journal := range []string{"wal", "delete"} {
		t.Run(journal, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "bank.db")
			db := bank(t, path, journal)
			commits := 0
			g := &gate{between: func() {
				// Without waiting: what is blocked now is blocked.
				_, err := db.Exec("PRAGMA busy_timeout = 0")
				must(t, errors.Join(err, transfer(db, commits)))
				commits++
			}}
			db.SetMaxOpenConns(1)
			_, err := dump(t, path, g)
			must(t, err)
			if commits < 2 {
				t.Fatalf("only %d writes", commits)
			}
			checkBank(t, g.image.Bytes())
		})
	}
}

func TestNothingIsLeftBehind(t *testing.T) {
	for _, journal := range []string{"wal", "delete"} {
		t.Run(journal, func(t *testing.T) {
			dir, temp := t.TempDir(), t.TempDir()
			bank(t, dir+"/bank.db", journal).Close()
			s, err := sqlite.New(sqlite.Options{Name: "bank", Path: dir + "/bank.db", TempDir: temp})
			must(t, err)
			during := 0
			want := errors.New("line is down")
			_, err = s.Dump(t.Context(), writerFunc(func(p []byte) (int, error) {
				left, _ := os.ReadDir(temp)
				during = len(left)
				return 0, want
			}))
			if !errors.Is(err, want) {
				t.Errorf("got %v, want %v", err, want)
			}
			left, err := os.ReadDir(temp)
			must(t, err)
			if during != 0 || len(left) != 0 {
				t.Errorf("%d files while it was sent, %d after", during, len(left))
			}
			if left, _ := os.ReadDir(dir); len(left) != 1 {
				t.Errorf("files beside the database: %v", left)
			}
		})
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestPathsThatAnUnescapedURIWouldCutShort(t *testing.T) {
	for _, name := range []string{"a?mode=rw", "a#b", "a%20b", "a b", "ä&b=c"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			plain := filepath.Join(t.TempDir(), "plain")
			must(t, bank(t, plain, "delete").Close())
			must(t, os.Rename(plain, path))
			var image bytes.Buffer
			_, err := dump(t, path, &image)
			must(t, err)
			checkBank(t, image.Bytes())
		})
	}
}

func TestWhatIsNoDatabaseIsAnErrorAndNothingIsMade(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(dir+"/empty", nil, 0o600))
	must(t, os.WriteFile(dir+"/text", []byte(strings.Repeat("no database", 1000)), 0o600))
	must(t, bank(t, dir+"/torn", "delete").Close())
	must(t, os.Truncate(dir+"/torn", 8192))
	for name, file := range map[string]string{
		"a missing file":     "missing",
		"an empty file":      "empty",
		"another file":       "text",
		"a directory":        ".",
		"half of a database": "torn",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := dump(t, filepath.Join(dir, file), io.Discard); err == nil {
				t.Error("got no error")
			}
			if _, err := os.Stat(dir + "/missing"); err == nil {
				t.Error("the file was made")
			}
		})
	}
}

func TestADatabaseOfWALModeInADirectoryThatMayNotBeWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bank.db")
	must(t, bank(t, path, "wal").Close())
	must(t, os.Chmod(path, 0o444))
	for d := filepath.Dir(path); d != os.TempDir(); d = filepath.Dir(d) {
		must(t, os.Chmod(d, 0o555))
	}
	s, err := sqlite.New(sqlite.Options{Name: "bank", Path: path})
	must(t, err)
	var image bytes.Buffer
	testenv.Unprivileged(t, func() { _, err = s.Dump(t.Context(), &image) })
	must(t, err)
	checkBank(t, image.Bytes())

	// Whoever may write there does so in the middle of it.
	image.Reset()
	written := false
	testenv.Unprivileged(t, func() {
		_, err = s.Dump(t.Context(), writerFunc(func(p []byte) (int, error) {
			if !written {
				written = true
				done := make(chan error) // on a thread that may
				go func() { done <- os.Chtimes(path, sometime, sometime) }()
				must(t, <-done)
			}
			return len(p), nil
		}))
	})
	if err == nil || !strings.Contains(err.Error(), "written to") {
		t.Errorf("got %v, want that it was written to", err)
	}
}

func TestTheEndOfTheContextEndsTheDump(t *testing.T) {
	for _, journal := range []string{"wal", "delete"} {
		path := filepath.Join(t.TempDir(), "bank.db")
		bank(t, path, journal).Close()
		ctx, cancel := context.WithCancel(t.Context())
		s, err := sqlite.New(sqlite.Options{Name: "bank", Path: path})
		must(t, err)
		_, err = s.Dump(ctx, writerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil }))
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want %v", journal, err, context.Canceled)
		}
	}
}

func TestExamine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bank.db")
	bank(t, path, "wal")
	s, err := sqlite.New(sqlite.Options{Name: "bank", Path: path})
	must(t, err)
	if found := s.Examine(t.Context()); len(found) != 1 || !found[0].OK || !strings.Contains(found[0].Detail, "wal") {
		t.Errorf("got %+v", found)
	}
	s, err = sqlite.New(sqlite.Options{Name: "bank", Path: path + "x"})
	must(t, err)
	if found := s.Examine(t.Context()); len(found) != 1 || found[0].OK || found[0].Hint == "" {
		t.Errorf("got %+v", found)
	}
}

func BenchmarkDump(b *testing.B) {
	for _, journal := range []string{"wal", "delete"} {
		b.Run(journal, func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "bank.db")
			db := bank(b, path, journal)
			_, err := db.Exec("CREATE TABLE big AS SELECT a.id, randomblob(2000) FROM account a, (SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4)")
			must(b, err)
			n, err := dump(b, path, io.Discard)
			must(b, err)
			_ = n
			var size int64
			must(b, db.QueryRow("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()").Scan(&size))
			b.SetBytes(size)
			for b.Loop() {
				_, err := dump(b, path, io.Discard)
				must(b, err)
			}
		})
	}
}
