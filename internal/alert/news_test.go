package alert

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
)

func TestDigestComesWhenItIsDueAndNotAtFirst(t *testing.T) {
	h := newHouse(t, "ops")
	weekly := func(now time.Time) time.Time { // Mondays at 8
		return time.Date(2025, 10, 27, 8, 0, 0, 0, time.UTC).Add(now.Sub(time.Date(2025, 10, 27, 8, 0, 0, 0, time.UTC)).Truncate(7 * day))
	}
	h.rules.Channels["ops"] = Rule{Digest: weekly}
	h.in.Overview = func(since time.Time) holdfast.Overview { return holdfast.Overview{From: since} }
	for _, step := range []struct {
		after time.Duration
		part  bool
		down  bool
		want  string
	}{
		{after: 0},
		{after: 5 * day},
		{after: 6 * day, part: true},
		{after: 6 * day, down: true},
		{after: 6*day + time.Hour, want: "ops: digest since 27 Oct"},
		{after: 6*day + 2*time.Hour},
		{after: 27 * day, want: "ops: digest since 3 Nov"}, // one for several that were missed
		{after: 27 * day},
	} {
		h.now = start.Add(step.after)
		h.in.Whole = !step.part
		h.phones["ops"].set(nil)
		if step.down {
			h.phones["ops"].set(down)
		}
		h.look()
		h.run()
		want := []string{}
		if step.want != "" {
			want = append(want, step.want)
		}
		if diff := cmp.Diff(want, h.said()); diff != "" {
			t.Errorf("after %s (-want +got):\n%s", step.after, diff)
		}
	}
}

func backupOf(at time.Time) Job {
	id := holdfast.ID(at.UTC().Format("20060102T150405Z") + "-9f3c2a7d")
	return Job{Last: &holdfast.LastBackup{ID: id, Size: 5000}}
}

func TestGoodNewsIsToldToThoseWhoWantIt(t *testing.T) {
	h := newHouse(t, "dev", "ops")
	h.rules.Wants = func(channel, _, _ string, event holdfast.Event) bool { return event.Bad() || channel == "ops" }
	crm, media := holdfast.JobName{Host: "web1", Job: "crm"}, holdfast.JobName{Host: "web1", Job: "media"}
	h.in.Jobs = map[holdfast.JobName]Job{crm: backupOf(start.Add(-time.Hour)), media: {}}
	h.in.Cleaned = Cleaned{At: start.Add(-time.Hour), Deleted: 1}
	h.look()
	h.run()
	h.wantSaid() // what was there already is no news

	h.now = start.Add(2 * time.Hour)
	h.in.Jobs = map[holdfast.JobName]Job{crm: backupOf(start.Add(time.Hour)), media: backupOf(start.Add(time.Hour))}
	h.in.Cleaned = Cleaned{At: start.Add(time.Hour), Deleted: 3, Freed: 1000}
	h.look()
	h.phones["ops"].set(down)
	h.run()
	h.phones["ops"].set(nil)
	h.run()
	h.wantSaid("ops: backup-succeeded web1/crm + backup-succeeded web1/media + healthy web1/media + cleanup-succeeded vault")
	h.run()
	h.wantSaid()

	h.in.Jobs, h.in.Whole = nil, true // the vault was away, and is back
	h.look()
	h.run()
	h.in.Jobs = map[holdfast.JobName]Job{crm: backupOf(start.Add(time.Hour)), media: backupOf(start.Add(time.Hour))}
	h.look("crm/hash", "crm/fresh!")
	h.run()
	h.wantSaid("dev: opened crm/fresh! + opened crm/hash", "ops: opened crm/fresh! + opened crm/hash")
	h.look("crm/hash")
	h.run()
	h.look()
	h.run()
	h.wantSaid("dev↩: resolved crm/fresh!", "dev↩: resolved crm/hash", "ops↩: resolved crm/fresh!", "ops↩: resolved crm/hash", "ops: healthy web1/crm")

	h.phones["ops"].set(down)
	for n := range maxNews + 50 {
		h.now = h.now.Add(time.Minute)
		h.in.Jobs = map[holdfast.JobName]Job{crm: backupOf(start.Add(time.Duration(3+n) * time.Hour / 2))}
		h.look()
		h.run()
	}
	if n := len(h.state().Channels["ops"].News); n > maxNews || n == 0 {
		t.Errorf("%d pieces of news wait, want at most %d", n, maxNews)
	}
	h.now = h.now.Add(7 * day)
	h.phones["ops"].set(nil)
	h.look()
	h.run()
	if said := h.said(); slices.ContainsFunc(said, func(s string) bool { return strings.Contains(s, "backup-succeeded") }) {
		t.Errorf("news of last week: %v", said)
	}
}
