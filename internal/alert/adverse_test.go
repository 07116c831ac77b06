package alert

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
)

// What a host, another monitor, a wrong clock or a broken set-up could do to keep
// people from being told.

// refuse has a channel refuse what contains the word.
func refuse(word string) func(context.Context, holdfast.Message) error {
	return func(_ context.Context, m holdfast.Message) error {
		for _, i := range m.Items {
			if strings.Contains(i.Finding.Summary, word) {
				return errors.New("554 5.7.1 message refused")
			}
		}
		return nil
	}
}

func TestWordsThatAreRefusedKeepNothingElse(t *testing.T) {
	h := newHouse(t, "mail")
	h.phones["mail"].set(refuse("EICAR"))
	poisoned := func(open ...string) {
		h.now = h.now.Add(5 * time.Minute)
		h.look(open...)
		h.in.Open[0].Summary = "the run failed: EICAR"
		h.run()
	}
	poisoned("aaa/failed-run!", "crm/fresh!")
	h.wantSaid("mail: opened crm/fresh!")
	poisoned("aaa/failed-run!", "crm/fresh!", "media/hash!")
	h.wantSaid("mail: opened media/hash!")
	poisoned("aaa/failed-run!", "crm/fresh!", "media/hash!")
	got := h.phones["mail"].take()
	if len(got) != 1 || !strings.Contains(got[0].Items[0].Finding.Summary, "failed-run") || got[0].Items[0].Finding.Job != "aaa" {
		t.Fatalf("the refused alert is not told without its words: %+v", got)
	}
	if o := h.run(); o.Untold != 0 {
		t.Errorf("%d untold", o.Untold)
	}
}

func TestWordsThatAreRefusedAmongManyAreWithheld(t *testing.T) {
	h := newHouse(t, "mail")
	h.phones["mail"].set(refuse("EICAR"))
	open := []string{"aaa/failed-run!", "b/fresh!", "c/fresh!", "d/fresh!", "e/fresh!", "f/fresh!"}
	for range withholdAfter + 1 {
		h.now = h.now.Add(5 * time.Minute)
		h.look(open...)
		h.in.Open[0].Summary = "EICAR"
		h.run()
	}
	got := h.phones["mail"].take()
	if len(got) != 1 || len(got[0].Items) != len(open) {
		t.Errorf("%d messages, want one with all %d", len(got), len(open))
	}
}

func TestAnotherMonitorWithOtherChannelsMakesNobodyBeToldAgain(t *testing.T) {
	h := newHouse(t, "ops", "mail")
	h.look("crm/fresh!")
	h.run()
	h.wantSaid("mail: opened crm/fresh!", "ops: opened crm/fresh!")
	mail := h.rules.Channels["mail"]
	for range 3 {
		delete(h.rules.Channels, "mail")
		h.now = h.now.Add(5 * time.Minute)
		h.look("crm/fresh!")
		h.run()
		h.rules.Channels["mail"] = mail
		h.now = h.now.Add(5 * time.Minute)
		h.look("crm/fresh!")
		h.run()
	}
	h.wantSaid()
	delete(h.rules.Channels, "mail") // which must not forget that it was told
	h.look()
	h.run()
	h.rules.Channels["mail"] = mail
	h.run()
	h.wantSaid("mail↩: resolved crm/fresh!", "ops↩: resolved crm/fresh!")
}

func TestAChannelThatNobodyUsesAnyMoreIsForgotten(t *testing.T) {
	h := newHouse(t, "ops", "mail")
	h.phones["mail"].set(down)
	h.look("crm/fresh!")
	h.run()
	h.run()
	h.run()
	h.said()
	delete(h.rules.Channels, "mail")
	h.now = h.now.Add(2 * time.Hour)
	h.look("crm/fresh!")
	h.run()
	if got := h.said(); len(got) != 1 || !strings.Contains(got[0], "resolved vault/channel!") {
		t.Errorf("said %q, want that the channel fails no more", got)
	}
	h.now = h.now.Add(forget)
	h.look("crm/fresh!")
	h.run()
	if c := h.state().Channels["mail"]; c != nil {
		t.Errorf("it is remembered: %+v", c)
	}
}

func TestAClockThatWasAheadDoesNotDeafen(t *testing.T) {
	h := newHouse(t, "ops")
	now := h.now
	h.now, h.revision = now.Add(365*day), 1<<40
	h.look("crm/fresh!")
	h.run()
	h.now, h.revision = now, 7
	h.said()
	h.look("media/hash!")
	h.run()
	h.wantSaid("ops: opened media/hash!", "ops↩: resolved crm/fresh!")
}

func TestOneHostDoesNotTakeAllThePlacesOfAMessage(t *testing.T) {
	h := newHouse(t, "ops")
	open := []string{"vault/public!"}
	for n := range 10 {
		for _, check := range []string{"fresh!", "hash!", "manifest!"} {
			open = append(open, fmt.Sprintf("a-evil:j%d/%s", n, check))
		}
	}
	open = append(open, "web9:crm/fresh!", "web8:crm/hash")
	h.look(open...)
	h.run()
	got := h.said()
	if len(got) != 1 || !strings.HasPrefix(got[0], "ops: opened vault/public! + ") || !strings.Contains(got[0], "web9:crm/fresh!") {
		t.Errorf("said %q", got)
	}
}

func TestARunAboutOneJobTellsWhatIsNewAndLeavesTheRest(t *testing.T) {
	h := newHouse(t, "ops")
	h.rules.Wants = func(_, _, _ string, _ holdfast.Event) bool { return true }
	crm := holdfast.JobName{Host: "web1", Job: "crm"}
	h.in.Jobs[crm] = Job{}
	h.look()
	h.run()
	part := func(open ...string) {
		h.now = h.now.Add(time.Minute)
		h.look(open...)
		h.in.Whole, h.in.Jobs = false, map[holdfast.JobName]Job{crm: {Last: &holdfast.LastBackup{ID: "20251028T120030Z-9f3c2a7d"}}}
		h.run()
	}
	part("crm/fresh")
	h.wantSaid("ops: opened crm/fresh")
	part("crm/fresh!")
	h.wantSaid("ops↩: worsened crm/fresh!")
	part()
	h.wantSaid()
	h.in.Whole = true
	h.run()
	if got := h.said(); len(got) != 2 || got[0] != "ops↩: resolved crm/fresh!" || !strings.Contains(got[1], "backup-succeeded web1/crm") {
		t.Errorf("the next run about all said %q", got)
	}
}

func TestAChannelThatCouldNotBeSetUpIsToldByTheOthersAtOnce(t *testing.T) {
	h := newHouse(t, "ops", "mail")
	h.teller.options.Broken = map[string]error{"mail": errors.New("file:smtp.password: no such file")}
	h.look()
	o := h.run()
	got := h.phones["ops"].take()
	if len(got) != 1 || !strings.Contains(got[0].Items[0].Finding.Summary, "smtp.password") || o.Untold != 0 {
		t.Fatalf("ops was told %+v, %d untold", got, o.Untold)
	}
	// It is set up when it is used, in the same process.
	h.now = h.now.Add(5 * time.Minute)
	h.look("crm/fresh!")
	h.run()
	h.wantSaid("mail: opened crm/fresh!", "ops: opened crm/fresh!", "ops↩: resolved vault/channel!")
	h.now = h.now.Add(5 * time.Minute)
	h.look("crm/fresh!")
	h.run()
	h.wantSaid()

	// Or another process can set it up.
	again := newHouse(t, "ops", "mail")
	again.teller.options.Broken = map[string]error{"mail": errors.New("no such file")}
	again.look()
	again.run()
	again.said()
	again.teller.options.Broken = nil
	again.look()
	again.run()
	again.wantSaid("ops↩: resolved vault/channel!")

	alone := newHouse(t, "mail")
	alone.teller.options.Broken = map[string]error{"mail": errors.New("no such file")}
	alone.rules.Severity = map[string]holdfast.Severity{holdfast.CheckChannel: Off}
	alone.look()
	if o := alone.run(); o.Untold != 1 {
		t.Errorf("%d untold where nobody can be told anything", o.Untold)
	}
}

func TestAThreadNamesWhatGoesOnFirst(t *testing.T) {
	h := newHouse(t, "ops")
	var all []string
	for n := range 40 {
		all = append(all, fmt.Sprintf("j%02d/fresh!", n))
	}
	h.look(all...)
	h.run()
	h.phones["ops"].take()
	h.look(all[38:]...)
	h.run()
	thread := h.phones["ops"].take()[0].Thread
	open := 0
	for _, i := range thread.Items {
		if i.Step == holdfast.Opened {
			open++
		}
	}
	if diff := cmp.Diff([]int{maxItems, 10, 2, 2}, []int{len(thread.Items), thread.More, thread.Open, open}); diff != "" {
		t.Errorf("items, more, open, named as open (-want +got):\n%s", diff)
	}
}
