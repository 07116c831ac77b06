package monitor

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
)

// A run about some jobs costs what these cost, and says nothing about others.
func TestARunAboutOneJobListsThatJobAloneAndLeavesTheOthersOpen(t *testing.T) {
	h := newHouse(t)
	h.opts.Expected = []holdfast.JobName{{Host: "web1", Job: "crm"}, {Host: "web1", Job: "lost"}}
	for i := range 3 * fakePage {
		h.vault.put(fmt.Sprintf("backups/web1/media/%05d", i), []byte("x"), start)
	}
	h.vault.put("backups/notes.txt", []byte("x"), start)
	h.run()
	h.now = start.Add(3 * day)
	before := states(h.run())
	if !slices.Contains(before, "critical web1/crm missing") || len(before) < 4 {
		t.Fatalf("the scene is not set: %v", before)
	}

	h.pushSize(0, 1_000_000)
	h.opts.Jobs = []holdfast.JobName{{Host: "web1", Job: "crm"}}
	h.vault.pages = 0
	if diff := cmp.Diff([]string{"resolved web1/crm missing"}, changes(h.run())); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if h.vault.pages != 2 {
		t.Errorf("listed %d pages, want one of the job's backups and one of its reports", h.vault.pages)
	}

	h.opts.Jobs = nil
	after := h.run()
	want := slices.DeleteFunc(before, func(s string) bool { return s == "critical web1/crm missing" })
	if diff := cmp.Diff(want, states(after)); diff != "" {
		t.Errorf("findings of a full run after it (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{}, changes(after)); diff != "" {
		t.Errorf("changes of a full run after it (-want +got):\n%s", diff)
	}
}
