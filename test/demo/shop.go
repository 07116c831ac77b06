package main

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the database of the demonstration
)

// fillDatabase makes the shop's database, in WAL mode, with 20,000 orders.
func fillDatabase(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	_, err = db.Exec(`PRAGMA journal_mode = wal;
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT NOT NULL, cents INTEGER NOT NULL, note TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
INSERT INTO orders SELECT i, 'customer ' || (i * 7919 % 1000), i * 31 % 100000, 'order no. ' || i || ', ☕' FROM n;`)
	return err
}

// fingerprint says what is in the database, in a form that can be compared.
func fingerprint(path string) (string, error) {
	if _, err := os.Stat(path); err != nil {
		return "", err
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return "", err
	}
	defer db.Close()
	var rows, cents, texts int64
	err = db.QueryRow(`SELECT count(*), sum(cents * id), sum(length(note) * id) FROM orders`).Scan(&rows, &cents, &texts)
	return fmt.Sprintf("%d orders, checksums %d and %d", rows, cents, texts), err
}
