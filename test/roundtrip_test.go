package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast/internal/testenv"
)

func TestAPostgresDatabaseComesBackRowByRow(t *testing.T) {
	rows := read(t, "testdata/postgres-rows.sql")
	source := testenv.Postgres(t).Database(t)
	testenv.Psql(t, source, read(t, "testdata/postgres.sql"))
	want := testenv.Psql(t, source, rows)
	for _, format := range []string{"plain", "custom"} {
		t.Run(format, func(t *testing.T) {
			s := newSite(t, "  crm: { expect: { min_size: 1kB } }\n")
			h := s.addHost("web1", []string{"crm"}, "  crm:\n    sources:\n      - postgres: { url: env:SOURCE_URL, format: "+format+", bin_dir: "+testenv.Postgres(t).BinDir+" }\n")
			h.env = []string{"SOURCE_URL=" + source}
			s.start()
			s.want(h.pusher("doctor"), 0)
			s.want(h.pusher("run"), 0)
			target := testenv.Postgres(t).Database(t)
			r := s.program("holdfast", []string{"TARGET_URL=" + target}, "", "--config", s.config, "restore", "crm",
				"--into", "env:TARGET_URL", "--identity", s.identity, "--bin-dir", testenv.Postgres(t).BinDir)
			s.want(r, 0)
			if diff := cmp.Diff(want, testenv.Psql(t, target, rows)); diff != "" {
				t.Errorf("want - got +\n%s", diff)
			}
			s.want(s.holdfast("monitor"), 0)
			for _, secret := range []string{source, testenv.Postgres(t).Password} {
				if strings.Contains(s.log.String(), secret) {
					t.Error("the server's log holds the database's password")
				}
			}
		})
	}
}

func TestAMariaDBDatabaseComesBackRowByRow(t *testing.T) {
	server := testenv.MariaDB(t)
	name := server.Database(t)
	testenv.Mysql(t, name, read(t, "testdata/mariadb.sql"))
	s := newSite(t, "  shop: {}\n")
	h := s.addHost("web1", []string{"shop"}, "  shop:\n    sources:\n      - mariadb: { url: env:SOURCE_URL }\n")
	h.env = []string{"SOURCE_URL=" + server.URL("limited", name)} // a user without PROCESS
	s.start()
	s.want(h.pusher("doctor"), 0)
	s.want(h.pusher("run"), 0)
	target := server.Database(t)
	r := s.program("holdfast", []string{"TARGET_URL=" + server.URL("boss", target)}, "", "--config", s.config,
		"restore", "shop", "--into", "env:TARGET_URL", "--identity", s.identity)
	s.want(r, 0)
	rows := read(t, "testdata/mariadb-rows.sql") // inserts too, into both
	if diff := cmp.Diff(testenv.Mysql(t, name, rows), testenv.Mysql(t, target, rows)); diff != "" {
		t.Errorf("want - got +\n%s", diff)
	}
}

func TestAnOperatorRestoresThroughTheBrokerAlone(t *testing.T) {
	s := newSite(t, "  notes: {}\n")
	s.addHost("web1", []string{"notes"}, "  notes: { sources: [{ files: { include: ["+s.dir+"/notes] } }] }\n")
	write(t, filepath.Join(s.dir, "notes", "a.txt"), "remember\n", 0o644)
	r := s.want(s.program("holdfast", nil, "", "key", "ops", "--out", filepath.Join(s.dir, "ops.key"), "--json"), 0)
	var key struct{ Key string }
	decode(t, r.out, &key)
	write(t, filepath.Join(s.dir, "ops.pub"), key.Key, 0o644)
	s.start()
	s.want(s.hosts["web1"].pusher("run"), 0)

	elsewhere := t.TempDir()
	through := []string{"--broker", s.url, "--key", filepath.Join(s.dir, "ops.key")}
	operate := func(args ...string) result {
		return s.program("holdfast", []string{"HOME=" + elsewhere}, "", append(args, through...)...)
	}
	if r := s.want(operate("list"), 0); !strings.Contains(r.out, "web1/notes") {
		t.Errorf("list through the broker shows no backup:\n%s", r.out)
	}
	s.want(operate("verify", "notes", "-i", s.identity), 0)
	s.want(operate("restore", "notes", "--to", filepath.Join(elsewhere, "out"), "-i", s.identity), 0)
	if got := read(t, filepath.Join(elsewhere, "out", "notes", s.dir, "notes", "a.txt")); got != "remember\n" {
		t.Errorf("restored: got %q", got)
	}
	if r := s.want(operate("url", "notes"), 0); !strings.Contains(r.out, s.url+"/r/") {
		t.Errorf("url through the broker shows no ticket:\n%s", r.out)
	}
	s.want(operate("monitor", "--config", s.config), 0)
	for _, command := range [][]string{{"clean"}, {"hold", "notes"}, {"release", "notes"}, {"check"}} {
		if r := s.want(operate(command...), 2); !strings.Contains(r.errOut, "not offered through the broker") {
			t.Errorf("%s: %s", command[0], r.errOut)
		}
	}
}

func TestPastedLinesRestoreWithoutHoldfast(t *testing.T) {
	source := testenv.Postgres(t).Database(t)
	testenv.Psql(t, source, read(t, "testdata/postgres.sql"))
	s := newSite(t, "  crm: {}\n")
	write(t, filepath.Join(s.dir, "uploads", "logo.txt"), "logo\n", 0o640)
	h := s.addHost("web1", []string{"crm"}, "  crm:\n    sources:\n      - postgres: { url: env:SOURCE_URL, bin_dir: "+testenv.Postgres(t).BinDir+" }\n      - files: { include: ["+s.dir+"/uploads] }\n")
	h.env = []string{"SOURCE_URL=" + source}
	s.start()
	s.want(h.pusher("run"), 0)
	lines := s.want(s.holdfast("url", "crm"), 0).out

	bare := t.TempDir()
	target := testenv.Postgres(t).Database(t)
	script := exec.CommandContext(t.Context(), "bash", "-eu")
	script.Dir = bare
	script.Stdin = strings.NewReader(lines)
	// Only what the page says is needed, found nowhere but where the system has it.
	script.Env = []string{"PATH=" + testenv.Postgres(t).BinDir + ":/usr/bin:/bin", "HOME=" + bare, "IDENTITY=" + s.identity, "DATABASE_URL=" + target}
	if out, err := script.CombinedOutput(); err != nil {
		t.Fatalf("the pasted lines failed: %v\n%s\n%s", err, out, lines)
	}
	rows := read(t, "testdata/postgres-rows.sql")
	if diff := cmp.Diff(testenv.Psql(t, source, rows), testenv.Psql(t, target, rows)); diff != "" {
		t.Errorf("want - got +\n%s", diff)
	}
	if got := read(t, filepath.Join(bare, "files", s.dir, "uploads", "logo.txt")); got != "logo\n" {
		t.Errorf("restored file: got %q", got)
	}
	if strings.Contains(lines, "AGE-SECRET-KEY") {
		t.Error("the lines hold the identity")
	}
	if _, err := os.Stat(filepath.Join(bare, "holdfast")); err == nil {
		t.Error("the bare machine has Holdfast")
	}
}
