package alert

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/holdfast-backup/holdfast"
)

// story is one thing that goes wrong, as a naive observer follows it.
type story struct {
	what     string // as finding reads it, without !
	critical bool
	quiet    time.Time // since when it is not seen, zero while it is
	over     bool
	flaps    bool
	missed   map[string]bool          // channels that should know
	knows    map[string]bool          // channels that know it is so
	grave    map[string]bool          // … and how bad they think it is
	heard    map[string]time.Time     // when they last heard of it
	told     map[string]holdfast.Step // what they heard last
}

// observer says what should be told. It knows the rules from the documentation
// alone: it keeps all that ever happened, and no more order than that.
type observer struct {
	stories  []*story
	openings map[string][]time.Time
	newest   int64 // look
	remind   time.Duration
}

func (o *observer) current(what string) *story {
	for _, s := range o.stories {
		if s.what == what && !s.over {
			return s
		}
	}
	return nil
}

// sees takes in a look.
func (o *observer) sees(revision int64, at time.Time, open []string) {
	if revision != 0 && revision <= o.newest {
		return
	}
	seen := map[string]bool{}
	for _, text := range open {
		what, critical := strings.CutSuffix(text, "!")
		seen[what] = true
		s := o.current(what)
		if s != nil && !s.quiet.IsZero() && at.Sub(s.quiet) >= time.Hour {
			s.over, s = true, nil
		}
		if s == nil || !s.quiet.IsZero() {
			o.openings[what] = append(o.openings[what], at)
		}
		if s == nil {
			s = &story{what: what, missed: map[string]bool{}, knows: map[string]bool{}, grave: map[string]bool{},
				heard: map[string]time.Time{}, told: map[string]holdfast.Step{}}
			o.stories = append(o.stories, s)
		}
		s.quiet, s.critical = time.Time{}, critical
		n := 0
		for _, opening := range o.openings[what] {
			if at.Sub(opening) < day {
				n++
			}
		}
		s.flaps = n >= 3
	}
	if revision == 0 {
		return
	}
	o.newest = revision
	for _, s := range o.stories {
		if !s.over && s.quiet.IsZero() && !seen[s.what] {
			s.quiet = at
		}
	}
}

// expects returns what a channel is to be told now, and believes that it is if it can be.
func (o *observer) expects(channel string, now time.Time, wants func(*story) bool, silenced func(*story) bool, up bool) []string {
	list := []string{}
	for _, s := range o.stories {
		if !s.quiet.IsZero() && (!s.flaps || now.Sub(s.quiet) >= time.Hour) {
			s.over = true
		}
		may := wants(s) && !silenced(s)
		var step holdfast.Step
		switch {
		case s.over && s.told[channel] == holdfast.Resolved:
		case s.over && (s.knows[channel] || s.missed[channel] && may):
			step = holdfast.Resolved
		case s.over || !s.quiet.IsZero() || !may:
		case !s.knows[channel]:
			step, s.missed[channel] = holdfast.Opened, true
		case s.critical && !s.grave[channel]:
			step = holdfast.Worsened
		case o.remind > 0 && now.Sub(s.heard[channel]) >= o.remind:
			step = holdfast.Reminder
		}
		if step != "" && up {
			s.knows[channel], s.grave[channel], s.heard[channel], s.told[channel] = true, s.critical, now, step
			list = append(list, channel+" "+string(step)+" "+s.what)
		}
	}
	return list
}

// inBubble runs a property on a clock of its own, so that pauses take no time.
func inBubble(t *testing.T, property func(*rapid.T)) {
	synctest.Test(t, func(t *testing.T) { rapid.Check(struct{ rapid.TB }{t}, property) })
}

// pastLook is a look that was taken at some time.
type pastLook struct {
	revision int64
	at       time.Time
	open     []string
}

var things = []string{"crm/fresh", "crm/hash", "media/fresh", "media/failed-run", "web2:crm/retention-brake", "a/hash", "b/hash", "c/hash", "vault/public"}

// Over random histories exactly that is told which an observer expects: runs of
// two Tellers in turn, that see old looks and looks that could not be remembered,
// conflict with others, and whose channels fail.
func TestExactlyWhatChangedIsTold(t *testing.T) {
	inBubble(t, func(t *rapid.T) {
		h := newHouse(t, "ops", "dev")
		h.rules.Severity = map[string]holdfast.Severity{holdfast.CheckChannel: Off}
		h.rules.Channels["ops"] = Rule{Remind: 10 * time.Hour}
		h.rules.Channels["dev"] = Rule{Remind: 10 * time.Hour, Least: holdfast.Critical}
		h.rules.Wants = func(channel, host, job string, event holdfast.Event) bool {
			return event.Bad() && (channel == "ops" || event != holdfast.CleanupFailed)
		}
		tellers := []*Teller{h.newTeller(), h.newTeller()}
		o := &observer{openings: map[string][]time.Time{}, remind: 10 * time.Hour}
		var looks []pastLook
		quiet, open, ids := map[string]time.Time{}, map[string]bool{}, map[string]bool{}
		some := things[:rapid.IntRange(1, len(things)).Draw(t, "things")] // few come and go more often
		for range rapid.IntRange(1, 40).Draw(t, "runs") {
			h.now = h.now.Add(time.Duration(rapid.SampledFrom([]int{1, 20, 59, 60, 180, 600, 1500}).Draw(t, "minutes")) * time.Minute)
			for range rapid.IntRange(0, 3).Draw(t, "changes") {
				what := rapid.SampledFrom(some).Draw(t, "what")
				if _, is := open[what]; is && rapid.Bool().Draw(t, "ends") {
					delete(open, what)
				} else {
					open[what] = rapid.Bool().Draw(t, "critical")
				}
			}
			if rapid.IntRange(0, 5).Draw(t, "silences") == 0 {
				job := rapid.SampledFrom([]string{"crm", "media", "*"}).Draw(t, "job")
				until := h.now.Add(time.Duration(rapid.IntRange(1, 30).Draw(t, "hours")) * time.Hour)
				if err := AddSilence(context.Background(), h.vault, Silence{Host: "web1", Job: job, From: h.now, Until: until}, h.now); err != nil {
					t.Fatal(err)
				}
				quiet[job] = until
			}
			list := []string{}
			for _, what := range things {
				if critical, is := open[what]; is {
					list = append(list, what+map[bool]string{true: "!"}[critical])
				}
			}
			h.look(list...)
			switch rapid.IntRange(0, 7).Draw(t, "kind of look") {
			case 0: // an old one, that comes late, instead
				if len(looks) == 0 {
					break
				}
				h.revision--
				l := rapid.SampledFrom(looks).Draw(t, "late")
				h.in.Revision, h.in.At, h.in.Open, list = l.revision, l.at, nil, l.open
				for _, text := range list {
					h.in.Open = append(h.in.Open, finding(text))
				}
			case 1: // one that could not be remembered
				h.in.Revision = 0
				h.revision--
			}
			if h.in.Revision != 0 {
				looks = append(looks, pastLook{h.in.Revision, h.in.At, list})
			}
			conflicts := rapid.IntRange(0, 3).Draw(t, "conflicts")
			h.fault = func(op, key string) error {
				if op == "Swap" && conflicts > 0 {
					conflicts--
					return fmt.Errorf("swap: %w", holdfast.ErrConflict)
				}
				return nil
			}
			up := map[string]bool{}
			for _, name := range []string{"dev", "ops"} {
				up[name] = rapid.IntRange(0, 3).Draw(t, name+" is up") > 0
				h.phones[name].set(map[bool]func(context.Context, holdfast.Message) error{false: down}[up[name]])
			}

			o.sees(h.in.Revision, h.in.At, list)
			want := o.expects("dev", h.now, func(s *story) bool { return s.critical && !strings.Contains(s.what, "retention") },
				silencedAt(quiet, h.now), up["dev"])
			want = append(want, o.expects("ops", h.now, func(*story) bool { return true }, silencedAt(quiet, h.now), up["ops"])...)

			h.teller = tellers[rapid.IntRange(0, 1).Draw(t, "teller")]
			if _, err := h.teller.Run(context.Background(), h.in); err != nil {
				t.Fatal(err)
			}
			got := []string{}
			for name, phone := range h.phones {
				for _, m := range phone.take() {
					if ids[m.ID] {
						t.Fatalf("message %s was sent twice", m.ID)
					}
					ids[m.ID] = true
					checkMessage(t, m)
					for _, i := range m.Items {
						got = append(got, fmt.Sprintf("%s %s %s", name, i.Step, strings.TrimSuffix(text(i.Finding), "!")))
					}
				}
			}
			slices.Sort(want)
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("at %s (-expected +told):\n%s", h.now.Sub(start), diff)
			}
		}
	})
}

func silencedAt(quiet map[string]time.Time, now time.Time) func(*story) bool {
	return func(s *story) bool {
		job, _, _ := strings.Cut(s.what, "/")
		return job != "vault" && !strings.Contains(job, ":") && (now.Before(quiet[job]) || now.Before(quiet["*"]))
	}
}

// checkMessage demands what every message of changes has.
func checkMessage(t *rapid.T, m holdfast.Message) {
	if len(m.Items) == 0 || m.ID == "" || m.At.IsZero() {
		t.Fatalf("message %+v is not whole", m)
	}
	for n, i := range m.Items {
		if n > 0 && i.Step != holdfast.Resolved && m.Items[n-1].Step == holdfast.Resolved {
			t.Fatalf("items %v are not the worst first", m.Items)
		}
		if m.Thread != nil && !slices.ContainsFunc(m.Thread.Items, func(j holdfast.Item) bool { return text(j.Finding) == text(i.Finding) }) {
			t.Fatalf("%s is not in the thread %v", text(i.Finding), m.Thread.Items)
		}
	}
	if m.Thread != nil && (m.Thread.Posted != "posted-"+m.Thread.ID || m.Thread.At.After(m.At)) {
		t.Fatalf("thread %+v is not what was posted", m.Thread)
	}
}
