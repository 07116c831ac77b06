package restore

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// attacks are dumps that would run `touch PROOF` on the machine of whoever
// restores them with psql.
var attacks = map[string]string{
	"a shell command":                      "\\! touch PROOF\n",
	"backquotes":                           "\\echo `touch PROOF`\n",
	"a copy to a program":                  "\\copy (SELECT 1) TO PROGRAM 'touch PROOF'\n",
	"output to a program":                  "\\o | touch PROOF\nSELECT 1;\n",
	"a result to a program":                "SELECT 1 \\g | touch PROOF\n",
	"a file that is written":               "\\o PROOF\nSELECT 1;\n",
	"another server":                       "\\connect postgres://127.0.0.1:1/x\n\\! touch PROOF\n",
	"the pair of its own":                  "--\n\\restrict k1\n\\unrestrict k1\n\\! touch PROOF\n",
	"backquotes for a key":                 "--\n\\restrict k1\n\\unrestrict `touch PROOF; echo k1`\n",
	"the same without a pair":              "SELECT 1;\n\\unrestrict `touch PROOF`\n",
	"a word put together from two":         "SELECT 1;\n\\unre\x00" + strings.Repeat("x", 1024-6-1) + "strict `touch PROOF`\n",
	"half a character before it":           "SET client_encoding = 'SJIS';\nSELECT 1 \x83\\\\unrestrict `touch PROOF`\n",
	"what an error says":                   "DO $$ BEGIN RAISE EXCEPTION '%', chr(92) || 'unrestrict `touch PROOF`'; END $$;\n:LAST_ERROR_MESSAGE\n",
	"what an error says, by another route": "DO $$ BEGIN RAISE EXCEPTION '%', ':LAST' || '_ERROR_MESSAGE'; END $$;\n\\unre:LAST_ERROR_MESSAGE\n",
}

func TestADumpRunsNoProgramOnTheMachineOfWhoeverRestoresIt(t *testing.T) {
	db := secret.New(testenv.Postgres(t).Database(t))
	for name, attack := range attacks {
		for _, format := range []string{"plain", "globals"} {
			t.Run(name+", "+format, func(t *testing.T) {
				proof := filepath.Join(t.TempDir(), "proof")
				dump := []byte(strings.ReplaceAll(attack, "PROOF", proof))
				w := newWorld(t)
				w.backup(testRef, plain{name: "crm", file: "crm.sql", facts: holdfast.Facts{Kind: "postgres", Format: format}, data: dump})
				_, err := w.open(testRef).Into(t.Context(), db, IntoOptions{Stream: "crm"})
				if _, statErr := os.Stat(proof); statErr == nil {
					t.Error("it ran")
				}
				if err == nil && format == "plain" {
					t.Error("no error")
				}
				var advice interface{ Hint() string }
				if err != nil && (!errors.As(err, &advice) || advice.Hint() == "") && !strings.Contains(err.Error(), "RAISE") {
					t.Errorf("got %v, want it with advice", err)
				}
			})
		}
	}
}

func TestPastedLinesRunNoProgramOfTheDumps(t *testing.T) {
	db := testenv.Postgres(t).Database(t)
	for name, attack := range attacks {
		for _, format := range []string{"plain", "globals"} {
			t.Run(name+", "+format, func(t *testing.T) {
				proof := filepath.Join(t.TempDir(), "proof")
				dump := []byte(strings.ReplaceAll(attack, "PROOF", proof))
				w := newWorld(t)
				m := w.backup(testRef, plain{name: "crm", file: "crm.sql", facts: holdfast.Facts{Kind: "postgres", Format: format}, data: dump, open: true})
				lines, err := Lines(m, map[string]string{m.Streams[0].File: newSite(w).plainURL(testRef.Key(m.Streams[0].File))})
				if err != nil {
					t.Fatal(err)
				}
				err = paste(t, t.TempDir(), lines, "DATABASE_URL="+db)
				if _, statErr := os.Stat(proof); statErr == nil {
					t.Error("it ran")
				}
				if err == nil && format == "plain" {
					t.Error("exit status 0")
				}
			})
		}
	}
}

func TestADumpOfATrustedHostHasItsCommandsRun(t *testing.T) {
	w := newWorld(t)
	w.postgresBackup([]byte("CREATE TABLE a (x text);\n\\set y 'b c'\nINSERT INTO a VALUES (:'y'), ('\\unrestrict');\n"))
	db := testenv.Postgres(t).Database(t)
	if _, err := w.open(testRef).Into(t.Context(), secret.New(db), IntoOptions{TrustHost: true}); err != nil {
		t.Fatal(err)
	}
	if got := testenv.Psql(t, db, "SELECT * FROM a"); got != "b c\n\\unrestrict\n" {
		t.Errorf("got %q", got)
	}
}

// oldPsql returns a directory with a psql that does not know \restrict: the
// installed one behind a stand-in that answers as those before it did.
func oldPsql(t *testing.T) string {
	t.Helper()
	real, err := exec.LookPath("psql")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	script := "#!/bin/bash\nfor arg; do [[ $arg == '\\restrict '* ]] && { echo 'invalid command \\restrict' >&2; exit 1; }; done\n" +
		"if [[ \" $* \" == *' -f - '* ]]; then sed 's/^\\\\\\(un\\)\\?restrict.*/\\\\nosuch/' | " + real + " \"$@\"; else exec " + real + " \"$@\"; fi\n"
	if err := os.WriteFile(filepath.Join(dir, "psql"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestAPsqlThatIsTooOld(t *testing.T) {
	w := newWorld(t)
	w.postgresBackup(sqlDump(10))
	db := testenv.Postgres(t).Database(t)
	for _, stream := range []string{"crm", "globals"} {
		if _, err := w.open(testRef).Into(t.Context(), secret.New(db), IntoOptions{Stream: stream, BinDir: oldPsql(t)}); !errors.Is(err, errNoRestrict) {
			t.Errorf("stream %q: got %v, want %v", stream, err, errNoRestrict)
		}
	}
	if got := countTables(t, db); got != "0" {
		t.Errorf("the database has %s tables, want none", got)
	}
	// A dump of pg_dump begins with \restrict, which it does not know either.
	if _, err := w.open(testRef).Into(t.Context(), secret.New(db), IntoOptions{BinDir: oldPsql(t), TrustHost: true}); err != nil {
		t.Errorf("of a trusted host: %v", err)
	}
	if got := testenv.Psql(t, db, "SELECT count(*) FROM items"); got != "10\n" {
		t.Errorf("got %q rows", got)
	}
}

func TestADumpThatSwallowsTheCommitIsNoSuccess(t *testing.T) {
	for name, dump := range map[string]string{
		"by a COPY that does not end":    "CREATE TABLE a (x text);\nCOPY a FROM stdin;\nx\n",
		"by a quote that does not end":   "CREATE TABLE a (x text);\nINSERT INTO a VALUES ('",
		"by a comment that does not end": "CREATE TABLE a (x text);\n/*",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.postgresBackup([]byte(dump))
			db := testenv.Postgres(t).Database(t)
			if _, err := w.open(testRef).Into(t.Context(), secret.New(db), IntoOptions{}); err == nil {
				t.Error("no error")
			}
			if got := countTables(t, db); got != "0" {
				t.Errorf("the database has %s tables, want none", got)
			}
		})
	}
}

func TestAMySQLDumpRunsNoProgram(t *testing.T) {
	server := testenv.MariaDB(t)
	for name, attack := range map[string]string{
		"a short command":     "\\! touch PROOF\n",
		"a long command":      "system touch PROOF\n",
		"within a line":       "SELECT 1 \\! touch PROOF\n",
		"output to a file":    "tee PROOF\nSELECT 1;\n",
		"a pager":             "pager touch PROOF\nSELECT 1;\n",
		"a file that is read": "CREATE TABLE a (x TEXT);\nLOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE a;\nSELECT * FROM a INTO OUTFILE 'PROOF';\n",
		"after DELIMITER":     "DELIMITER \\! \nsystem touch PROOF\n\\! touch PROOF\n",
	} {
		t.Run(name, func(t *testing.T) {
			proof := filepath.Join(t.TempDir(), "proof")
			w := newWorld(t)
			w.backup(testRef, plain{name: "shop", file: "shop.sql", facts: holdfast.Facts{Kind: "mariadb", Format: "plain"},
				data: []byte(strings.ReplaceAll(attack, "PROOF", proof))})
			w.open(testRef).Into(t.Context(), secret.New(server.URL(server.User, server.Database(t))), IntoOptions{})
			if _, err := os.Stat(proof); err == nil {
				t.Error("it ran")
			}
		})
	}
}
