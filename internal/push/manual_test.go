package push

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/stream"
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

// What the lines say opens a stored file, with the real programs. Where age asks
// for a passphrase a person is needed: that is in the scripts of cmd/pusher.
func TestManualOpensWhatIsStored(t *testing.T) {
	g := testenv.NewGPG(t)
	key := g.Key("ed25519", "cv25519", "0", "")
	public := filepath.Join(t.TempDir(), "key.asc")
	if err := os.WriteFile(public, g.Run(nil, "--armor", "--export", key[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := stream.ReadPublicKeys([]string{public}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pgp, err := stream.OpenPGP(keys...)
	if err != nil {
		t.Fatal(err)
	}
	for _, compression := range []string{stream.Zstd, stream.Gzip, stream.None} {
		dir := t.TempDir()
		o := stream.Options{Compression: compression, Recipients: pgp}
		var stored bytes.Buffer
		e, err := stream.NewEncoder(&stored, o)
		if err == nil {
			_, err = e.Write([]byte("the dump"))
		}
		if err == nil {
			err = e.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		s := holdfast.Stream{File: "crm.sql" + o.Extension(), PlainFile: "crm.sql", Compression: compression, Encryption: pgp.Encryption()}
		if err := os.WriteFile(filepath.Join(dir, s.File), stored.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		lines := open(s)
		command, ok := strings.CutPrefix(lines[len(lines)-1], "$ ")
		if !ok {
			t.Fatalf("got %q", lines)
		}
		cmd := exec.CommandContext(t.Context(), "bash", "-o", "pipefail", "-ec", command)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "GNUPGHOME="+g.Home())
		out, err := cmd.CombinedOutput()
		if got, _ := os.ReadFile(filepath.Join(dir, "crm.sql")); err != nil || string(got) != "the dump" {
			t.Errorf("%s: got %q, %v\n%s", command, got, err, out)
		}
	}
	age := holdfast.Stream{File: "crm.sql.zst.age", PlainFile: "crm.sql", Compression: stream.Zstd, Encryption: holdfast.Encryption{Format: "age", Recipients: []string{"passphrase"}}}
	if got := open(age); got[len(got)-1] != "$ age -d crm.sql.zst.age | zstd -d > crm.sql" {
		t.Errorf("with a passphrase: got %q", got)
	}
}
