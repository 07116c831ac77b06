package monitor

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
)

func TestForeignTextStaysInItsLine(t *testing.T) {
	h := newHouse(t)
	h.pushSize(2*time.Hour, 5000)
	h.fail(time.Hour, "no\nRESOLVED  web1/crm\x1b[2J\u202e "+strings.Repeat("x", 4000))
	f := find(t, h.run(), holdfast.CheckFailedRun)
	if strings.ContainsAny(f.Summary, "\n\x1b\u202e") || len([]rune(f.Summary)) > maxLine+100 {
		t.Errorf("summary %q lets foreign text out of its line", f.Summary)
	}
	if !strings.Contains(f.Summary, "dump: no RESOLVED") {
		t.Errorf("summary %q, want the stage and the reason", f.Summary)
	}
}

func TestFailedRunIsResolvedByTheNextGoodBackup(t *testing.T) {
	h := newHouse(t)
	h.pushSize(3*time.Hour, 5000)
	h.fail(2*time.Hour, "disk full")
	h.run()
	h.pushSize(time.Hour, 5000)
	if diff := cmp.Diff([]string{"resolved web1/crm failed-run"}, changes(h.run())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
