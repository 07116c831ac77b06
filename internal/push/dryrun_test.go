package push

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDryRunDumpsAndTouchesNothing(t *testing.T) {
	job := testJob(t, &fakeSource{file: "crm.sql", data: noise(1 << 20)})
	job.Hooks.Pre = [][]string{{"false"}}
	job.Spool = filepath.Join(t.TempDir(), "spool")
	out := DryRun(t.Context(), job, Deps{})
	if out.Status != OK || !out.DryRun || out.PlainSize != 1<<20 || out.StoredSize != 1<<20 || out.ID != "" {
		t.Errorf("got %+v", out)
	}
	if _, err := os.Stat(job.Spool); !os.IsNotExist(err) {
		t.Errorf("spool: %v", err)
	}
	job.Sources[0].Source = &fakeSource{file: "crm.sql", err: errors.New("login failed")}
	if out := DryRun(t.Context(), job, Deps{}); out.Status != Failed || !strings.Contains(out.Error, "login failed") {
		t.Errorf("got %+v", out)
	}
}
