package push

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// pasteManual runs the lines that load a plain dump of PostgreSQL.
func pasteManual(t *testing.T, format, database, dump string) error {
	t.Helper()
	server, dir := testenv.Postgres(t), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "crm.sql"), []byte(dump), 0o600); err != nil {
		t.Fatal(err)
	}
	var script []string
	for _, line := range load(holdfast.Stream{PlainFile: "crm.sql", Source: holdfast.Facts{Kind: "postgres", Format: format}}) {
		if len(line) > holdfast.MaxRestoreLine {
			t.Errorf("%d bytes: %s", len(line), line)
		}
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			script = append(script, strings.ReplaceAll(command, "DATABASE", database))
		}
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-c", strings.Join(script, " && "))
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + server.BinDir + ":" + os.Getenv("PATH"), "PGHOST=" + server.Host, "PGPORT=" + strconv.Itoa(server.Port),
		"PGUSER=" + server.User, "PGPASSWORD=" + server.Password}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	return err
}

func TestManualLoadsADumpAndRunsNothingOfIt(t *testing.T) {
	const pair = "--\n-- PostgreSQL database dump\n--\n\n\\restrict AbCdEfGhIjKlMnOpQrStUvWxYz\n\n"
	const end = "\n\\unrestrict AbCdEfGhIjKlMnOpQrStUvWxYz\n"
	if err := pasteManual(t, "plain", "good", pair+"CREATE TABLE a (x text);\nCOPY a FROM stdin;\n\\\\restrict\n\\N\n\\.\n"+end); err != nil {
		t.Error(err)
	}
	if got := testenv.Psql(t, testenv.Postgres(t).URL("good"), "SELECT x, x IS NULL FROM a"); got != "\\restrict|f\n|t\n" {
		t.Errorf("got %q", got)
	}
	if err := pasteManual(t, "globals", "", pair+"CREATE ROLE boss;\nCREATE ROLE manual_role;\n"+end); err != nil {
		t.Error(err)
	}
	if got := testenv.Psql(t, testenv.Postgres(t).URL("postgres"), "SELECT count(*) FROM pg_roles WHERE rolname = 'manual_role'"); got != "1\n" {
		t.Errorf("got %q roles", got)
	}
	for i, attack := range []string{
		"\\! touch PROOF\n",
		pair + end + "\\! touch PROOF\n",
		pair + "\\unrestrict `touch PROOF`\n",
		"\\unre\x00" + strings.Repeat("x", 1024-6-1) + "strict `touch PROOF`\n",
		"DO $$ BEGIN RAISE EXCEPTION '%', chr(92) || 'unrestrict `touch PROOF`'; END $$;\n:LAST_ERROR_MESSAGE\n",
	} {
		for _, format := range []string{"plain", "globals"} {
			proof := filepath.Join(t.TempDir(), "proof")
			pasteManual(t, format, "bad"+strconv.Itoa(i), strings.ReplaceAll(attack, "PROOF", proof))
			if _, err := os.Stat(proof); err == nil {
				t.Errorf("%s, %q: it ran", format, attack)
			}
		}
	}
}
