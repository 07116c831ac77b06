package restore

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// sqlDump returns a dump with rows that do not compress well.
func sqlDump(rows int) []byte {
	var b bytes.Buffer
	b.WriteString("\\restrict AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfGhIjKlMnOpQrStUvWxYz0\nSET client_encoding = 'UTF8';\nCREATE TABLE items (id int PRIMARY KEY, note text);\nCOPY items (id, note) FROM stdin;\n")
	random := noise(rows * 16)
	for i := range rows {
		fmt.Fprintf(&b, "%d\t%x\n", i, random[i*16:(i+1)*16])
	}
	b.WriteString("\\.\n\\unrestrict AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfGhIjKlMnOpQrStUvWxYz0\n")
	return b.Bytes()
}

func (w *world) postgresBackup(data []byte) holdfast.Manifest {
	return w.backup(testRef,
		plain{name: "crm", file: "crm.sql", facts: holdfast.Facts{Kind: "postgres", Format: "plain"}, data: data},
		plain{name: "globals", file: "globals.sql", facts: holdfast.Facts{Kind: "postgres", Format: "globals"}, data: []byte("SELECT 1;\n")},
		tarOf(w.t, "media", reg("a", "A")))
}

// customDump returns a custom-format dump of a database with rows.
func customDump(t *testing.T) []byte {
	db := testenv.Postgres(t).Database(t)
	testenv.PsqlFrom(t, db, bytes.NewReader(sqlDump(60_000)))
	testenv.Psql(t, db, "CREATE TABLE last (x bytea); INSERT INTO last VALUES ('\\x00ff')")
	cmd := exec.CommandContext(t.Context(), "pg_dump", "--format=custom", "--compress=0", "--no-owner", "--dbname="+db)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func countTables(t *testing.T, db string) string {
	return strings.TrimSpace(testenv.Psql(t, db, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"))
}

func TestIntoPostgres(t *testing.T) {
	for name, data := range map[string][]byte{"plain": sqlDump(60_000), "custom": customDump(t)} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.postgresBackup(data)
			db := testenv.Postgres(t).Database(t)
			written, err := w.open(testRef).Into(t.Context(), secret.New(db), IntoOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if got := testenv.Psql(t, db, "SELECT count(*), min(length(note)) FROM items"); got != "60000|32\n" {
				t.Errorf("got %q", got)
			}
			if u, _ := url.Parse(db); written.Stream != "crm" || !strings.Contains(written.Path, u.Path) || strings.Contains(written.Path, u.User.Username()) {
				t.Errorf("got %+v, want the place without the login", written)
			}
			if _, err := w.open(testRef).Into(t.Context(), secret.New(db), IntoOptions{}); !errors.Is(err, ErrNotEmpty) {
				t.Errorf("again: got %v, want %v", err, ErrNotEmpty)
			}
			var client *ClientError
			if _, err := w.open(testRef).Into(t.Context(), secret.New(db), IntoOptions{Force: true}); !errors.As(err, &client) || !strings.Contains(client.Stderr, "already exists") {
				t.Errorf("again by force: got %v, want what the client says", err)
			}
		})
	}
}

func TestPostgresNeverCommitsWhatIsNotProven(t *testing.T) {
	for name, data := range map[string][]byte{"plain": sqlDump(60_000), "custom": customDump(t)} {
		for fault, change := range map[string]func(w *world, b *Backup, m *holdfast.Manifest, cancel func()){
			"the plain hash is another": func(w *world, b *Backup, m *holdfast.Manifest, _ func()) {
				b.Manifest.Streams[0].PlainSHA256 = strings.Repeat("0", 64)
			},
			"a stored byte changed": func(w *world, b *Backup, m *holdfast.Manifest, _ func()) {
				key := testRef.Key(m.Streams[0].File)
				w.vault.objects[key][len(w.vault.objects[key])-10] ^= 1
			},
			"it is interrupted near the end": func(w *world, b *Backup, m *holdfast.Manifest, cancel func()) {
				b.options.Progress = func(done, total int64) {
					if done > total*9/10 {
						cancel()
					}
				}
			},
			"the network goes away": func(w *world, b *Backup, m *holdfast.Manifest, cancel func()) {
				w.vault.opened = failAfter(m.Streams[0].StoredSize * 9 / 10)
			},
		} {
			t.Run(name+", "+fault, func(t *testing.T) {
				w := newWorld(t)
				m := w.postgresBackup(data)
				db := testenv.Postgres(t).Database(t)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				b := w.open(testRef)
				change(w, b, &m, cancel)
				if _, err := b.Into(ctx, secret.New(db), IntoOptions{}); err == nil {
					t.Error("no error")
				}
				if got := countTables(t, db); got != "0" {
					t.Errorf("the database has %s tables, want none", got)
				}
			})
		}
	}
}

func TestRolesThatAreThereDoNotStopTheOthers(t *testing.T) {
	w := newWorld(t)
	w.backup(testRef, plain{name: "roles", file: "roles.sql", facts: holdfast.Facts{Kind: "postgres", Format: "globals"},
		data: []byte("CREATE ROLE boss;\nCREATE ROLE holdfast_test_role;\n")})
	db := testenv.Postgres(t).Database(t)
	if _, err := w.open(testRef).Into(t.Context(), secret.New(db), IntoOptions{Stream: "roles"}); err != nil {
		t.Fatal(err)
	}
	if got := testenv.Psql(t, db, "SELECT count(*) FROM pg_roles WHERE rolname = 'holdfast_test_role'"); got != "1\n" {
		t.Errorf("got %q roles, want the new one", got)
	}
	if all := strings.Join(w.warnings, "\n"); !strings.Contains(all, "already exists") {
		t.Errorf("got warnings %q, want it said that a role was there", w.warnings)
	}
}

func TestPostgresRollsBackWhenTheDumpFails(t *testing.T) {
	w := newWorld(t)
	w.postgresBackup([]byte("CREATE TABLE a (x int);\nSELECT nonsense;\nCREATE TABLE b (x int);\n"))
	db := testenv.Postgres(t).Database(t)
	_, err := w.open(testRef).Into(t.Context(), secret.New(db), IntoOptions{})
	var client *ClientError
	if !errors.As(err, &client) || !strings.Contains(client.Stderr, "nonsense") {
		t.Errorf("got %v, want what psql says", err)
	}
	if got := countTables(t, db); got != "0" {
		t.Errorf("the database has %s tables, want none", got)
	}
}

func TestPostgresDoesNotCommitWhenItsInputJustEnds(t *testing.T) {
	db := testenv.Postgres(t).Database(t)
	target, err := parsePostgres(db)
	if err != nil {
		t.Fatal(err)
	}
	psql, err := findClient("", "psql")
	if err != nil {
		t.Fatal(err)
	}
	// To psql this is what a restore looks like that is killed with SIGKILL.
	_, err = target.client(psql, "-X", "-q", "-w", "-v", "ON_ERROR_STOP=1", "-f", "-").feed(t.Context(), func(stdin io.Writer) error {
		_, err := stdin.Write([]byte("BEGIN;\nCREATE TABLE a (x int);\n"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := countTables(t, db); got != "0" {
		t.Errorf("the database has %s tables, want none", got)
	}
}

func TestClientErrorsDoNotShowThePassword(t *testing.T) {
	w := newWorld(t)
	w.postgresBackup(sqlDump(1))
	u, _ := url.Parse(testenv.Postgres(t).Database(t))
	password := "s3cr3t:\\'pw"
	u.User = url.UserPassword(u.User.Username(), password)
	_, err := w.open(testRef).Into(t.Context(), secret.New(u.String()), IntoOptions{})
	if err == nil || strings.Contains(err.Error(), "s3cr3t") || !strings.Contains(err.Error(), "password authentication failed") {
		t.Errorf("got %v, want a refused login without the password", err)
	}
	for _, bad := range []string{"postgres://u:s3cr3t%zz@h/d", "postgres://u:s3cr3t@h:port/d", "mysql://u:s3cr3t@h:port/d", "mysql://u:s3cr3t@h/", "mysql://u:s3cr3t@h/d?x=s3cr3t", "postgres://h/d?sslpassword=s3cr3t", "oracle://u:s3cr3t@h/d"} {
		if _, err := w.open(testRef).Into(t.Context(), secret.New(bad), IntoOptions{Stream: "crm"}); err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("got %v, want an error without the password", err)
		}
	}
}

func TestStreamsThatDoNotFitTheDatabaseAreRefused(t *testing.T) {
	w := newWorld(t)
	w.postgresBackup(sqlDump(1))
	for target, stream := range map[string]string{"postgres://h/d": "media", "mysql://h/d": "", "sqlite:/tmp/none.db": "", "mysql://h2/d": "media"} {
		var choice *ChoiceError
		if _, err := w.open(testRef).Into(t.Context(), secret.New(target), IntoOptions{Stream: stream}); !errors.As(err, &choice) {
			t.Errorf("%s: got %v, want a choice", target, err)
		}
	}
}

func mysqlDump(rows int) []byte {
	const width = 500
	var b bytes.Buffer
	b.WriteString("SET NAMES utf8mb4;\nCREATE TABLE items (id INT PRIMARY KEY, note TEXT);\n")
	random := noise(rows * width)
	for i := range rows {
		fmt.Fprintf(&b, "INSERT INTO items VALUES (%d, '%x');\n", i, random[i*width:(i+1)*width])
	}
	b.WriteString("DELIMITER ;;\nCREATE PROCEDURE p() BEGIN SELECT 1; END ;;\nDELIMITER ;\n-- Dump completed\n")
	return b.Bytes()
}

func mysqlTables(t *testing.T, database string) string {
	return strings.TrimSpace(testenv.Mysql(t, database, "SHOW TABLES"))
}

func TestIntoMySQL(t *testing.T) {
	server := testenv.MariaDB(t)
	w := newWorld(t)
	w.backup(testRef, plain{name: "shop", file: "shop.sql", facts: holdfast.Facts{Kind: "mariadb", Format: "plain"}, data: mysqlDump(2000)})
	database := server.Database(t)
	target := secret.New(server.URL(server.Limited, database))
	if _, err := w.open(testRef).Into(t.Context(), target, IntoOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := testenv.Mysql(t, database, "SELECT count(*) FROM items; CALL p()"); got != "2000\n1\n" {
		t.Errorf("got %q", got)
	}
	if got := mysqlTables(t, database); got != "items" {
		t.Errorf("got tables %q, want the marker gone", got)
	}
	if _, err := w.open(testRef).Into(t.Context(), target, IntoOptions{}); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("again: got %v, want %v", err, ErrNotEmpty)
	}
}

func TestIntoMySQLLeavesTheMarkerWhereItDidNotFinish(t *testing.T) {
	server := testenv.MariaDB(t)
	for name, change := range map[string]func(b *Backup, cancel func()){
		"the plain hash is another": func(b *Backup, _ func()) { b.Manifest.Streams[0].PlainSHA256 = strings.Repeat("0", 64) },
		"it is interrupted": func(b *Backup, cancel func()) {
			b.options.Progress = func(done, total int64) {
				if done > total/2 {
					cancel()
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.backup(testRef, plain{name: "shop", file: "shop.sql", facts: holdfast.Facts{Kind: "mysql", Format: "plain"}, data: mysqlDump(4000)})
			database := server.Database(t)
			target := secret.New(server.URL(server.User, database))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			b := w.open(testRef)
			change(b, cancel)
			if _, err := b.Into(ctx, target, IntoOptions{}); err == nil {
				t.Error("no error")
			}
			if got := mysqlTables(t, database); !strings.Contains(got, marker) {
				t.Errorf("got tables %q, want the marker among them", got)
			}
			if _, err := w.open(testRef).Into(t.Context(), target, IntoOptions{}); !errors.Is(err, ErrIncomplete) {
				t.Errorf("again: got %v, want %v", err, ErrIncomplete)
			}
		})
	}
}

// sqliteFile returns a database file with rows.
func sqliteFile(t *testing.T) []byte {
	path := filepath.Join(t.TempDir(), "a.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Exec("CREATE TABLE items (id INTEGER PRIMARY KEY, note TEXT); CREATE INDEX i ON items (note);" +
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 2000) INSERT INTO items SELECT i, hex(randomblob(20)) FROM n")
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestIntoSQLite(t *testing.T) {
	data := sqliteFile(t)
	w := newWorld(t)
	w.backup(testRef, plain{name: "app", file: "app.sqlite", facts: holdfast.Facts{Kind: "sqlite", Format: "sqlite"}, data: data})
	dir := t.TempDir()
	for _, target := range []string{"sqlite:" + filepath.Join(dir, "odd ?#% name"), filepath.Join(dir, "app.db")} {
		written, err := w.open(testRef).Into(t.Context(), secret.New(target), IntoOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(written.Path); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: got %d bytes and %v", target, len(got), err)
		}
		if _, err := w.open(testRef).Into(t.Context(), secret.New(target), IntoOptions{Force: true}); !errors.Is(err, ErrTargetExists) {
			t.Errorf("again: got %v, want %v", err, ErrTargetExists)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("got %v, want the two databases alone", entries)
	}
	os.WriteFile(filepath.Join(dir, "b.db-wal"), []byte("old"), 0o600)
	if _, err := w.open(testRef).Into(t.Context(), secret.New(filepath.Join(dir, "b.db")), IntoOptions{}); !errors.Is(err, ErrTargetExists) {
		t.Errorf("beside an old WAL: got %v, want %v", err, ErrTargetExists)
	}
}

func TestIntoSQLiteRefusesADamagedDatabase(t *testing.T) {
	damaged := sqliteFile(t)
	clear(damaged[3*4096 : 4*4096])
	for name, data := range map[string][]byte{"pages are gone": damaged, "it is something else": []byte(strings.Repeat("hello ", 2000))} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.backup(testRef, plain{name: "app", file: "app.sqlite", facts: holdfast.Facts{Kind: "sqlite", Format: "sqlite"}, data: data})
			dir := t.TempDir()
			if _, err := w.open(testRef).Into(t.Context(), secret.New(filepath.Join(dir, "app.db")), IntoOptions{}); !errors.Is(err, holdfast.ErrCorrupt) {
				t.Errorf("got %v, want %v", err, holdfast.ErrCorrupt)
			}
			wantEmpty(t, dir)
		})
	}
}

func TestIntoMySQLTakesWhatTheDumpToolWrites(t *testing.T) {
	server := testenv.MariaDB(t)
	from, to := server.Database(t), server.Database(t)
	testenv.Mysql(t, from, "CREATE TABLE b (id INT PRIMARY KEY AUTO_INCREMENT, x LONGBLOB, s TEXT);\n"+
		"INSERT INTO b (x, s) VALUES (X'000d0a5c2700ff1a', '\U0001F40E \\\\ \\n \\r\\n ;; DELIMITER'), (REPEAT(X'0d0a00', 400000), NULL);\n"+
		"DELIMITER ;;\nCREATE TRIGGER tr BEFORE INSERT ON b FOR EACH ROW BEGIN SET NEW.s = 'set'; END;;\n"+
		"CREATE PROCEDURE p() BEGIN SELECT 'called'; END;;\nDELIMITER ;\n")
	cmd := exec.CommandContext(t.Context(), "mariadb-dump", "--no-defaults", "--host="+server.Host, fmt.Sprintf("--port=%d", server.Port),
		"--user="+server.User, "--single-transaction", "--routines", "--triggers", from)
	cmd.Env = append(os.Environ(), "MYSQL_PWD="+server.Password)
	dump, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.backup(testRef, plain{name: "shop", file: "shop.sql", facts: holdfast.Facts{Kind: "mariadb", Format: "plain"}, data: dump})
	if _, err := w.open(testRef).Into(t.Context(), secret.New(server.URL(server.User, to)), IntoOptions{}); err != nil {
		t.Fatal(err)
	}
	const question = "SELECT id, MD5(x), HEX(s) FROM b; CALL p(); SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE()"
	if want, got := testenv.Mysql(t, from, question), testenv.Mysql(t, to, question); got != want || want == "" {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
