package sample

import (
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
)

var now = time.Date(2025, 10, 28, 14, 0, 0, 0, time.UTC)

func TestMessagesShowEveryEventAndEveryStep(t *testing.T) {
	events, steps, ids := map[holdfast.Event]bool{}, map[holdfast.Step]bool{}, map[string]bool{}
	for _, m := range Messages(now) {
		if !m.Sample {
			t.Errorf("%s: does not say that it is a sample", m.ID)
		}
		if !regexp.MustCompile(`^[a-z0-9-]+$`).MatchString(m.ID) || ids[m.ID] {
			t.Errorf("id %q: malformed, or given twice", m.ID)
		}
		ids[m.ID] = true
		if m.At.After(now) {
			t.Errorf("%s: is told at %s, which is to come", m.ID, m.At)
		}
		items := m.Items
		if m.Overview != nil {
			items = append(slices.Clone(items), m.Overview.Open...)
		}
		if len(items) == 0 {
			t.Errorf("%s: says nothing", m.ID)
		}
		for _, i := range items {
			events[i.Event], steps[i.Step] = true, true
			if i.At.IsZero() || i.At.After(m.At) || i.Finding.Since.After(m.At) {
				t.Errorf("%s: an item is of %s, since %s, told at %s", m.ID, i.At, i.Finding.Since, m.At)
			}
			if i.Last != nil && (i.Last.ID.Time().IsZero() || i.Last.ID.Time().After(m.At)) {
				t.Errorf("%s: the last backup is %q, told at %s", m.ID, i.Last.ID, m.At)
			}
		}
	}
	for _, event := range holdfast.Events() {
		if !events[event] {
			t.Errorf("no sample of the event %s", event)
		}
	}
	for _, step := range []holdfast.Step{
		holdfast.Opened, holdfast.Worsened, holdfast.Reminder, holdfast.Resolved, holdfast.Ongoing, holdfast.News,
	} {
		if !steps[step] {
			t.Errorf("no sample of the step %s", step)
		}
	}
}

func TestAThreadIsThatOfAnEarlierMessage(t *testing.T) {
	earlier, threads := map[string]holdfast.Message{}, 0
	for _, m := range Messages(now) {
		if m.Thread != nil {
			threads++
			first, ok := earlier[m.Thread.ID]
			if !ok || !first.At.Equal(m.Thread.At) || !first.At.Before(m.At) || len(first.Items) != len(m.Thread.Items) {
				t.Errorf("%s: goes on from %s, of %s, with %d items, which is not an earlier message", m.ID, m.Thread.ID, m.Thread.At, len(m.Thread.Items))
			}
			for i := range m.Thread.Items {
				if got, want := m.Thread.Items[i].Finding, first.Items[i].Finding; got.Check != want.Check || got.Subject() != want.Subject() {
					t.Errorf("%s: item %d of its thread is %s of %s, was %s of %s", m.ID, i, got.Check, got.Subject(), want.Check, want.Subject())
				}
			}
		}
		earlier[m.ID] = m
	}
	if threads < 4 {
		t.Errorf("got %d messages in threads", threads)
	}
}
