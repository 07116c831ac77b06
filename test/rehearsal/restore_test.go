package rehearsal

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast/internal/testenv"
)

func (s *story) restore(t *testing.T) {
	through := []string{"--broker", s.broker, "--key", filepath.Join(s.alice.dir, "alice.key")}
	if out := s.alice.must(t, "holdfast", append([]string{"list"}, through...)...); !strings.Contains(out, "web1/crm") {
		t.Errorf("the operator's list:\n%s", out)
	}
	target := testenv.Postgres(t).Database(t)
	with := *s.alice
	with.env = append(slices.Clone(s.alice.env), "TARGET_URL="+target)
	with.must(t, "holdfast", append([]string{"restore", "web1/crm", "--into", "env:TARGET_URL", "-i", s.identity, "--bin-dir", testenv.Postgres(t).BinDir}, through...)...)
	s.same(t, target)
}

// restoreWithTicket runs the lines that `holdfast url` prints on a machine that
// has curl, age, zstd and psql.
func (s *story) restoreWithTicket(t *testing.T) {
	lines := s.alice.must(t, "holdfast", "url", "web1/crm", "--broker", s.broker, "--key", filepath.Join(s.alice.dir, "alice.key"))
	if !strings.Contains(lines, s.broker+"/r/") {
		t.Fatalf("no ticket among the lines:\n%s", lines)
	}
	s.secrets["a ticket"] = regexp.MustCompile(`/r/[^\s'"]+`).FindString(lines)[3:]
	target, bare := testenv.Postgres(t).Database(t), t.TempDir()
	script := exec.CommandContext(t.Context(), "bash", "-eu")
	script.Dir, script.Stdin = bare, strings.NewReader(lines)
	script.Env = append(s.d.internet.environ(), "PATH="+testenv.Postgres(t).BinDir+":/usr/bin:/bin", "HOME="+bare, "IDENTITY="+s.identity, "DATABASE_URL="+target)
	if out, err := script.CombinedOutput(); err != nil {
		t.Fatalf("the pasted lines: %v\n%s\n%s\n%s", err, out, lines, s.d.logs())
	}
	s.same(t, target)
}

func (s *story) same(t *testing.T, target string) {
	t.Helper()
	rows := read(t, "../testdata/postgres-rows.sql")
	if diff := cmp.Diff(testenv.Psql(t, s.source, rows), testenv.Psql(t, target, rows)); diff != "" {
		t.Errorf("restored: want - got +\n%s", diff)
	}
}
