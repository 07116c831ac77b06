package test

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// twin is a second server over the same vault, with a heartbeat of its own.
type twin struct {
	pulse  *pulse
	config string
	listen string
	server *exec.Cmd
}

func (w *watchedSite) twin() *twin {
	w.t.Helper()
	second := &twin{pulse: newPulse(w.t), config: filepath.Join(w.dir, "second.yaml"), listen: freeAddress(w.t)}
	write(w.t, second.config, strings.ReplaceAll(read(w.t, w.config), w.pulse.URL, second.pulse.URL), 0o600)
	second.server = w.watch(second.config, second.listen)
	w.second = second
	return second
}

// whoWaits returns which of two servers does not end its rounds, while the other does.
func whoWaits(t *testing.T, a, b *pulse) *pulse {
	t.Helper()
	endedA, endedB := a.ended(), b.ended()
	waitFor(t, "one of two servers to do rounds while the other waits", func() bool {
		return a.ended() >= endedA+2 || b.ended() >= endedB+2
	})
	if a.ended() >= endedA+2 {
		return b
	}
	return a
}

func TestTwoMonitorsTellNothingTwiceAndOneThatDiesLosesNothing(t *testing.T) {
	t.Parallel()
	w := newWatchedSite(t, "  crm: {}\n")
	h := w.addHost("web1", []string{"crm"}, dumps("crm", w.customers("app", 10)))
	w.begin()
	second := w.twin()
	both := func() { // a whole round of each
		first, other := w.pulse.ended(), second.pulse.ended()
		waitFor(t, "both", func() bool { return w.pulse.ended() >= first+2 && second.pulse.ended() >= other+2 })
		w.unchanged()
	}
	w.push(h)
	both()

	t.Run("also while one is sending", func(t *testing.T) {
		release := w.people.pager.hold()
		w.forward(27 * time.Hour)
		waitFor(t, "the pager to be called", func() bool { return len(w.people.pager.sent()) > 0 })
		whoWaits(t, w.pulse, second.pulse)
		release()
		w.tells("[critical] web1/crm: the newest good backup is 27h old")
		both()
		if n := len(w.people.pager.sent()); n != 1 {
			t.Errorf("the pager was called %d times, want once", n)
		}
	})
	t.Run("with each step of a history", func(t *testing.T) {
		w.forward(24 * time.Hour)
		w.tells("[reminder] web1/crm: the newest good backup is 51h old")
		both()
		w.push(h)
		w.tells("[resolved] web1/crm: the newest good backup is …h old")
		both()
		w.forward(26*time.Hour + time.Minute)
		w.tells("[critical] web1/crm: the newest good backup is 26h old")
		both()
	})
	t.Run("one is killed between two rounds", func(t *testing.T) {
		w.pulse.waitFor("success")
		end(w.server)
		w.forward(24 * time.Hour)
		w.tells("[reminder] web1/crm: the newest good backup is 50h old")
		w.begin()
		both()
		second.pulse.waitFor("success")
		end(second.server)
		w.push(h)
		w.tells("[resolved] web1/crm: the newest good backup is …h old")
		second.server = w.watch(second.config, second.listen)
		both()
	})
	t.Run("one is killed while it is sending: the other says it again, under the same name", func(t *testing.T) {
		w.people.pager.hold()
		before := len(w.people.pager.sent())
		w.forward(27 * time.Hour)
		waitFor(t, "the pager to be called", func() bool { return len(w.people.pager.sent()) > before })
		if whoWaits(t, w.pulse, second.pulse) == w.pulse {
			end(w.server)
		} else {
			end(second.server)
		}
		w.people.pager.let(nil)
		w.leap(2 * time.Minute) // the dead one's claim has run out
		waitFor(t, "the pager to be told", func() bool { return len(w.people.pager.sent()) > before+1 })
		var ids []string
		for _, r := range w.people.pager.sent()[before:] {
			ids = append(ids, r.header.Get("Holdfast-Id"))
		}
		waitFor(t, "the second mail", func() bool { return len(w.people.mail.letters(t)) >= len(w.told)+2 })
		var mails []string
		for _, l := range w.people.mail.letters(t)[len(w.told):] {
			mails = append(mails, l.id)
		}
		if len(ids) != 2 || len(mails) != 2 || len(slices.Compact(ids)) != 1 || len(slices.Compact(mails)) != 1 {
			t.Errorf("the pager was called with %q, the mails are %q, want the same two times", ids, mails)
		}
	})
}
