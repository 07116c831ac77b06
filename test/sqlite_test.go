package test

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite" // the database under test
)

func TestASQLiteDatabaseUnderABusyWriterComesBackConsistent(t *testing.T) {
	s := newSite(t, "  app: {}\n")
	path := filepath.Join(s.dir, "app.db")
	db := openSQLite(t, path)
	const accounts, each = 2000, 1000
	execSQL(t, db, `PRAGMA journal_mode = wal; PRAGMA synchronous = off;
		CREATE TABLE account (id INTEGER PRIMARY KEY, cents INTEGER NOT NULL, filler BLOB);
		CREATE TABLE transfer (id INTEGER PRIMARY KEY, source INTEGER, target INTEGER, cents INTEGER);
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
		INSERT INTO account SELECT i, 1000, randomblob(4000) FROM n;`)
	h := s.addHost("web1", []string{"app"}, "  app: { sources: [{ sqlite: { path: "+path+" } }] }\n")
	s.start()

	busy, stop := context.WithCancel(t.Context())
	written := make(chan int)
	go func() { written <- transferUntil(busy, db, accounts) }()
	for range 3 {
		s.want(h.pusher("run"), 0)
	}
	stop()
	if n := <-written; n < 50 {
		t.Fatalf("the writer made only %d transfers meanwhile: it was blocked, or not busy", n)
	}
	for i, b := range s.listed("app") {
		target := filepath.Join(s.dir, "back", b.ID+".db")
		write(t, filepath.Join(s.dir, "back", "x"), "", 0o644)
		s.want(s.holdfast("restore", "app@"+b.ID, "--into", "sqlite:"+target, "-i", s.identity), 0)
		back := openSQLite(t, target)
		var sum, moved int64
		var check string
		must(t, back.QueryRow("SELECT sum(cents), (SELECT count(*) FROM transfer) FROM account").Scan(&sum, &moved))
		must(t, back.QueryRow("PRAGMA integrity_check").Scan(&check))
		if sum != accounts*each || check != "ok" {
			t.Errorf("backup %d: sum %d, want %d; integrity %s", i, sum, accounts*each, check)
		}
		var balance int64 // each account must be what its transfers say
		must(t, back.QueryRow(`SELECT count(*) FROM account a WHERE cents != 1000
			+ (SELECT coalesce(sum(cents), 0) FROM transfer WHERE target = a.id)
			- (SELECT coalesce(sum(cents), 0) FROM transfer WHERE source = a.id)`).Scan(&balance))
		if balance != 0 {
			t.Errorf("backup %d: %d accounts do not fit their %d transfers", i, balance, moved)
		}
	}
	s.want(s.holdfast("restore", "app", "--into", "sqlite:"+path, "-i", s.identity), 1) // never over what is there
}

// transferUntil moves money between accounts, one transaction each, and returns how many there were.
func transferUntil(ctx context.Context, db *sql.DB, accounts int) (n int) {
	for ; ctx.Err() == nil; n++ {
		source, target, cents := rand.IntN(accounts)+1, rand.IntN(accounts)+1, rand.IntN(50)
		tx, err := db.Begin()
		if err != nil {
			return n
		}
		for _, q := range []struct {
			text string
			args []any
		}{
			{"UPDATE account SET cents = cents - ?, filler = randomblob(4000) WHERE id = ?", []any{cents, source}},
			{"UPDATE account SET cents = cents + ? WHERE id = ?", []any{cents, target}},
			{"INSERT INTO transfer (source, target, cents) VALUES (?, ?, ?)", []any{source, target, cents}},
		} {
			if _, err := tx.Exec(q.text, q.args...); err != nil {
				_ = tx.Rollback()
				return n
			}
		}
		if tx.Commit() != nil {
			return n
		}
	}
	return n
}

func openSQLite(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)")
	must(t, err)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return db
}

func execSQL(t *testing.T, db *sql.DB, text string) {
	t.Helper()
	_, err := db.Exec(text)
	must(t, err)
}
