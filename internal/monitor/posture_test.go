package monitor

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
)

// bucket is a vault that can be asked how it is protected.
type bucket struct {
	*fakeVault
	posture holdfast.Posture
	asked   int
}

func (b *bucket) Posture(context.Context) (holdfast.Posture, error) {
	b.asked++
	return b.posture, nil
}

func TestPostureIsAskedOnceAnHourAndItsFindingsStayInBetween(t *testing.T) {
	h := newHouse(t)
	h.pushSize(5*time.Hour, 1_000_000)
	safe := holdfast.Posture{Versioning: holdfast.On, Private: holdfast.Unknown}
	b := &bucket{fakeVault: h.vault, posture: safe}
	for _, step := range []struct {
		name    string
		after   time.Duration
		posture holdfast.Posture
		asked   int
		want    []string
	}{
		{"what is in order, or not known, is no finding", 0, safe, 1, []string{}},
		{"within the hour it is not asked", 59 * time.Minute, holdfast.Posture{Versioning: holdfast.Off, Private: holdfast.Off, Hidden: []string{"backups/a"}, HiddenCount: 3}, 1, []string{}},
		{"everything wrong is found", time.Minute, holdfast.Posture{Versioning: holdfast.Off, Private: holdfast.Off, Hidden: []string{"backups/a"}, HiddenCount: 3}, 2,
			[]string{"opened vault hidden", "opened vault public", "opened vault versioning"}},
		{"and stays open unasked", 30 * time.Minute, safe, 2, []string{}},
		{"until it is mended", 30 * time.Minute, safe, 3, []string{"resolved vault hidden", "resolved vault public", "resolved vault versioning"}},
		{"a clock that was ahead does not end the asking", -90 * time.Minute, safe, 4, []string{}},
	} {
		h.now, b.posture = h.now.Add(step.after), step.posture
		result, err := Run(t.Context(), b, h.opts)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.want, changes(result)); diff != "" || b.asked != step.asked {
			t.Errorf("%s: asked %d times, want %d; changes (-want +got):\n%s", step.name, b.asked, step.asked, diff)
		}
	}
	h.now, h.opts.Jobs = h.now.Add(2*time.Hour), []holdfast.JobName{{Host: "web1", Job: "crm"}}
	if _, err := Run(t.Context(), b, h.opts); err != nil {
		t.Fatal(err)
	}
	if b.asked != 4 {
		t.Error("a run about one job asked too")
	}
}
