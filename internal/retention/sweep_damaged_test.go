package retention

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
)

func TestSweepAbortsAnOldUploadWhoseKeyIsNotKnownAnyMore(t *testing.T) {
	v := newVault()
	v.commit("crm", now.Add(-10*time.Hour), 100)
	v.uploads = []holdfast.Upload{
		{ID: "young and damaged", Started: now.Add(-OrphanAge)},
		{ID: "old and damaged", Started: now.Add(-OrphanAge - time.Second), Size: 12},
	}
	s := mustRun(t, v, keepLast(9), Options{})
	if diff := cmp.Diff(v.uploads[1:], s.Swept.Uploads); diff != "" {
		t.Errorf("uploads (-want +got):\n%s", diff)
	}
	if s.Swept.Stray.Count != 0 {
		t.Errorf("stray: %v, want none", s.Swept.Stray)
	}
}
