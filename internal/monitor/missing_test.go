package monitor

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
)

func TestNewJobHasTimeForItsFirstBackup(t *testing.T) {
	h := newHouse(t)
	h.opts.Expected = []holdfast.JobName{{Host: "web1", Job: "crm"}}
	for _, step := range []struct {
		after time.Duration
		want  []string
	}{
		{0, []string{}},
		{26 * time.Hour, []string{}},
		{time.Second, []string{"opened web1/crm missing"}},
		{time.Hour, []string{}},
	} {
		h.now = h.now.Add(step.after)
		if diff := cmp.Diff(step.want, changes(h.run())); diff != "" {
			t.Errorf("at %s (-want +got):\n%s", h.now, diff)
		}
	}
	h.pushSize(0, 5000)
	if diff := cmp.Diff([]string{"resolved web1/crm missing"}, changes(h.run())); diff != "" {
		t.Errorf("after its first backup (-want +got):\n%s", diff)
	}
}

func TestJobThatVanishesIsMissingAtOnce(t *testing.T) {
	h := newHouse(t)
	ref := h.pushSize(time.Hour, 5000)
	h.run()
	h.vault.remove(ref.ManifestKey())
	h.vault.remove(ref.Key("crm.sql.zst.age"))
	h.now = h.now.Add(30 * time.Hour)
	if diff := cmp.Diff([]string{"opened web1/crm missing"}, changes(h.run())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	h.opts.Policies = func(string, string) (holdfast.Policy, bool) { return holdfast.Policy{}, false }
	if diff := cmp.Diff([]string{"resolved web1/crm missing"}, changes(h.run())); diff != "" {
		t.Errorf("once it has no policy any more (-want +got):\n%s", diff)
	}
	if st := h.state(); len(st.Jobs) > 0 || len(st.Open) > 0 {
		t.Errorf("a forgotten job stays in the state: %v", st)
	}
}
