package restore

import (
	"bytes"
	"flag"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

var update = flag.Bool("update", false, "write the golden files")

// fixed returns a manifest of one stream of every kind, the same every time.
func fixed() (holdfast.Manifest, map[string]string) {
	m := holdfast.Manifest{Format: holdfast.ManifestFormat, Ref: testRef, Started: testRef.ID.Time()}
	urls := map[string]string{}
	add := func(name, plain, compression, kind, format string, recipients ...string) {
		s := holdfast.Stream{
			Name: name, PlainFile: plain, File: plain, Compression: compression, Checksum: holdfast.ChecksumSHA256,
			Source:    holdfast.Facts{Kind: kind, Format: format, Engine: "Evil; $(rm -rf /) #"},
			PlainSize: 12_345_678, PlainSHA256: strings.Repeat("a1", 32), StoredSize: 1_234_567, StoredSHA256: strings.Repeat("b2", 32),
			Parts: []holdfast.Part{{Number: 1, Size: 1_234_567, Sum: strings.Repeat("b2", 32)}},
		}
		s.File += map[string]string{"zstd": ".zst", "gzip": ".gz"}[compression]
		s.Encryption.Format = "none"
		if len(recipients) > 0 {
			s.Encryption = holdfast.Encryption{Format: "age", Recipients: recipients}
			if len(recipients[0]) == 40 {
				s.Encryption.Format = "openpgp"
			}
			s.File += map[string]string{"age": ".age", "openpgp": ".gpg"}[s.Encryption.Format]
		}
		m.Streams = append(m.Streams, s)
		urls[s.File] = "https://broker.example/r/ticket-'of'-" + name + "?a=1&b=$(x)"
	}
	add("crm", "crm.sql", "zstd", "postgres", "plain", "age1recipient")
	add("roles", "roles.sql", "zstd", "postgres", "globals", "age1recipient")
	add("archive", "archive.dump", "zstd", "postgres", "custom", "age1recipient", "age1other")
	add("shop", "shop.sql", "gzip", "mysql", "plain", "passphrase")
	add("wiki", "wiki.sql", "none", "mariadb", "plain", "age1recipient")
	add("app", "app.sqlite", "zstd", "sqlite", "sqlite")
	add("media", "media.tar", "zstd", "files", "tar", "age1recipient")
	add("ldap", "ldap.out", "none", "command", "")
	add("notes", "notes.sql", "zstd", "mysql", "plain", strings.Repeat("A1", 20))
	add("keys", "keys.out", "none", "command", "", strings.Repeat("A1", 20))
	return m, urls
}

func TestLinesAreAsInTheGoldenFile(t *testing.T) {
	m, urls := fixed()
	got, err := Lines(m, urls)
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "lines.golden")
	if *update {
		os.MkdirAll("testdata", 0o755)
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-n")
	cmd.Stdin = strings.NewReader(got)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("bash does not understand them: %v\n%s", err, out)
	}
}

func TestLinesAreOfTheStreamsWithDownloadsOnly(t *testing.T) {
	m, urls := fixed()
	got, err := Lines(m, map[string]string{"app.sqlite.zst": urls["app.sqlite.zst"]})
	if err != nil || strings.Count(got, "curl") != 1 || strings.Contains(got, "IDENTITY") || strings.Contains(got, "DATABASE") {
		t.Errorf("got %v and\n%s", err, got)
	}
	for name, urls := range map[string]map[string]string{
		"none":                 {},
		"one of another file":  {"nosuch": "https://x"},
		"one with a line end":  {"app.sqlite.zst": "https://x\nrm"},
		"one that moves about": {"app.sqlite.zst": "https://x\x1b[2J"},
	} {
		if got, err := Lines(m, urls); err == nil {
			t.Errorf("%s: got\n%s", name, got)
		}
	}
	m.Streams[0].File = "$(rm)"
	if got, err := Lines(m, urls); err == nil {
		t.Errorf("hostile file name: got\n%s", got)
	}
}

// paste runs the lines in a bash with nothing but the variables set.
func paste(t *testing.T, dir, lines string, variables ...string) error {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(lines)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}, variables...)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	return err
}

func TestPastedLinesRestore(t *testing.T) {
	w := newWorld(t)
	m := w.backup(testRef,
		plain{name: "crm", file: "crm.sql", facts: holdfast.Facts{Kind: "postgres", Format: "plain"}, data: sqlDump(3000)},
		plain{name: "app", file: "app.bin", facts: holdfast.Facts{Kind: "command"}, data: noise(100_000), open: true},
		tarOf(t, "media", reg("srv/a", "A")))
	s := newSite(w)
	s.serve = func(rw http.ResponseWriter, r *http.Request) bool { return false }
	urls := map[string]string{}
	for _, stream := range m.Streams {
		urls[stream.File] = s.plainURL(testRef.Key(stream.File))
	}
	lines, err := Lines(m, urls)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	identity := filepath.Join(t.TempDir(), "id")
	os.WriteFile(identity, []byte(w.identity.String()), 0o600)
	db := testenv.Postgres(t).Database(t)
	if err := paste(t, dir, lines, "IDENTITY="+identity, "DATABASE_URL="+db); err != nil {
		t.Fatal(err)
	}
	if got := testenv.Psql(t, db, "SELECT count(*) FROM items"); got != "3000\n" {
		t.Errorf("database has %q rows, want 3000", got)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "app.bin")); err != nil || !bytes.Equal(got, noise(100_000)) {
		t.Errorf("app.bin: got %d bytes and %v", len(got), err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "media/srv/a")); err != nil || string(got) != "A" {
		t.Errorf("media/srv/a: got %q and %v", got, err)
	}

	t.Run("and fail without a trace where the identity is wrong", func(t *testing.T) {
		dir, db := t.TempDir(), testenv.Postgres(t).Database(t)
		os.WriteFile(identity, []byte(newWorld(t).identity.String()), 0o600)
		if err := paste(t, dir, lines, "IDENTITY="+identity, "DATABASE_URL="+db); err == nil {
			t.Error("exit status 0")
		}
		if _, err := os.Stat(filepath.Join(dir, "media")); err == nil {
			t.Error("there is a tree")
		}
	})
	t.Run("and commit nothing where decrypting dies halfway", func(t *testing.T) {
		// A stand-in for age that dies like one that the kernel kills.
		dir, db, bin := t.TempDir(), testenv.Postgres(t).Database(t), t.TempDir()
		real, err := exec.LookPath("age")
		if err != nil {
			t.Fatal(err)
		}
		os.WriteFile(identity, []byte(w.identity.String()), 0o600)
		dying := "#!/bin/sh\n" + real + " \"$@\" | zstd -dc | head -c 20000 | zstd -c\nkill -9 $$\n"
		if err := os.WriteFile(filepath.Join(bin, "age"), []byte(dying), 0o700); err != nil {
			t.Fatal(err)
		}
		only, err := Lines(m, map[string]string{"crm.sql.zst.age": urls["crm.sql.zst.age"]})
		if err != nil {
			t.Fatal(err)
		}
		if err := paste(t, dir, only, "IDENTITY="+identity, "DATABASE_URL="+db, "PATH="+bin+":"+os.Getenv("PATH")); err == nil {
			t.Error("exit status 0")
		}
		if got := testenv.Psql(t, db, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"); got != "0\n" {
			t.Errorf("database has %q tables, want none", got)
		}
	})
}

func TestPastedLinesStopAtDataThatChanged(t *testing.T) {
	w := newWorld(t)
	m := w.backup(testRef, plain{name: "app", file: "app.bin", facts: holdfast.Facts{Kind: "command"}, data: noise(100_000), open: true})
	key := testRef.Key(m.Streams[0].File)
	w.vault.objects[key] = append(bytes.Clone(w.vault.objects[key]), 0)
	lines, err := Lines(m, map[string]string{m.Streams[0].File: newSite(w).plainURL(key)})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := paste(t, dir, lines); err == nil {
		t.Error("exit status 0")
	}
	if _, err := os.Stat(filepath.Join(dir, "app.bin")); err == nil {
		t.Error("app.bin is there")
	}
}
