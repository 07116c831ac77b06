package monitor

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, file, got string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func text(t *testing.T, r Result) string {
	t.Helper()
	var b strings.Builder
	if err := r.Text(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestText(t *testing.T) {
	t.Run("a healthy vault", func(t *testing.T) {
		h := newHouse(t)
		h.daily(20, 1_000_000)
		golden(t, "healthy.txt", text(t, h.run()))
	})
	t.Run("a vault in trouble", func(t *testing.T) {
		h := newHouse(t)
		h.opts.Expected = []holdfast.JobName{{Host: "web2", Job: "media"}}
		h.opts.Policies = func(host, _ string) (holdfast.Policy, bool) { return h.policy, host != "old" }
		h.store(holdfast.Ref{Host: "old", Job: "crm", ID: h.id(start.Add(-400 * day))}, h.key, dump{file: "a.age", size: 1})
		h.daily(20, 1_000_000)
		h.fail(time.Hour, "pg_dump: exit status 1: connection refused")
		h.run()
		h.now = h.now.Add(27 * time.Hour)
		h.run()
		h.now = h.now.Add(10 * time.Minute)
		lost := h.push(5*time.Minute, dump{file: "crm.sql.zst.age", size: 1_000_000}, dump{file: "files.tar.zst.age", size: 5000})
		h.vault.remove(lost.Key("files.tar.zst.age"))
		h.pushSize(0, 40_000)
		golden(t, "trouble.txt", text(t, h.run()))
	})
	t.Run("a vault out of reach", func(t *testing.T) {
		h := newHouse(t)
		r, err := Run(t.Context(), brokenLoad{h.vault}, h.opts)
		if err == nil {
			t.Error("no error, want one")
		}
		golden(t, "unreachable.txt", text(t, r))
	})
}

func TestJSONHasNoNulls(t *testing.T) {
	h := newHouse(t)
	h.policy.Expect.MinSize = 0
	got, err := json.MarshalIndent(h.run(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(got), "null") {
		t.Errorf("a list is null in\n%s", got)
	}
	h.pushSize(30*time.Hour, 5000)
	if got, err = json.MarshalIndent(h.run(), "", "  "); err != nil {
		t.Fatal(err)
	}
	golden(t, "result.json", string(got)+"\n")
}
