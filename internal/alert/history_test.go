package alert

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
)

// histories are the state machine, in words. Each line is a run: hours since the
// beginning, what happens before it in brackets, what the monitor finds open (! is
// critical), and after the arrow the messages: channel, then its items; ↩ goes on from
// a thread. There is one channel, ops, that reminds every 24 hours, unless the first
// line has others.
var histories = []struct{ name, runs string }{
	{"what goes wrong is told once, reminded of each day, and its end is told once", `
		0h   crm/fresh!   → ops: opened crm/fresh!
		1h   crm/fresh!   → nothing
		23h  crm/fresh!   → nothing
		24h  crm/fresh!   → ops↩: reminder crm/fresh!
		47h  crm/fresh!   → nothing
		48h  crm/fresh!   → ops↩: reminder crm/fresh!
		49h               → ops↩: resolved crm/fresh!
		50h               → nothing
		51h  crm/fresh!   → ops: opened crm/fresh!`},
	{"a warning that becomes critical is told, the way back is not", `
		0h  crm/streams   → ops: opened crm/streams
		1h  crm/streams!  → ops↩: worsened crm/streams!
		2h  crm/streams   → nothing
		3h  crm/streams!  → nothing
		4h                → ops↩: resolved crm/streams!`},
	{"without reminders nobody is reminded", `
		0h    [ops never reminds] crm/fresh! → ops: opened crm/fresh!
		900h  crm/fresh!                     → nothing
		901h                                 → ops↩: resolved crm/fresh!`},
	{"what is wrong with one job is one message and one thread", `
		0h  crm/fresh! crm/max-total media/hash!  → ops: opened crm/fresh! + opened crm/max-total ; ops: opened media/hash!
		1h  crm/max-total media/hash!             → ops↩: resolved crm/fresh!
		2h                                        → ops↩: resolved media/hash! ; ops↩: resolved crm/max-total`},
	{"a new thing beside an old one begins a thread of its own", `
		0h  crm/max-total             → ops: opened crm/max-total
		1h  crm/max-total crm/fresh!  → ops: opened crm/fresh!
		2h                            → ops↩: resolved crm/fresh! ; ops↩: resolved crm/max-total`},
	{"four jobs are four messages, five are one", `
		0h  a/hash b/hash c/hash d/hash         → ops: opened a/hash ; ops: opened b/hash ; ops: opened c/hash ; ops: opened d/hash
		1h                                      → ops↩: resolved a/hash ; ops↩: resolved b/hash ; ops↩: resolved c/hash ; ops↩: resolved d/hash
		2h  a/hash b/hash! c/hash d/hash e/hash → ops: opened b/hash! + opened a/hash + opened c/hash + opened d/hash + opened e/hash
		3h  a/hash b/hash! c/hash e/hash        → ops↩: resolved d/hash
		4h                                      → ops↩: resolved b/hash! + resolved a/hash + resolved c/hash + resolved e/hash`},
	{"the ends of five threads are one message, in none of them", `
		0h  a/hash b/hash c/hash         → ops: opened a/hash ; ops: opened b/hash ; ops: opened c/hash
		1h  a/hash b/hash c/hash d/hash! e/hash! → ops: opened d/hash! ; ops: opened e/hash!
		2h  → ops: resolved d/hash! + resolved e/hash! + resolved a/hash + resolved b/hash + resolved c/hash
		3h  → nothing`},
	{"what the channel did not take is tried again until it does", `
		0h  [ops down] crm/fresh!  → nothing
		1h  crm/fresh!             → nothing
		2h  [ops up] crm/fresh!    → ops: opened crm/fresh!
		3h  [ops down]             → nothing
		4h  [ops up]               → ops↩: resolved crm/fresh!
		5h                         → nothing`},
	{"what began and ended while the channel was down is told in one item", `
		0h  [ops down] crm/fresh!  → nothing
		1h                         → nothing
		2h  [ops up]               → ops: resolved crm/fresh!
		3h                         → nothing`},
	{"… or not at all after a week", `
		0h    [ops down] crm/fresh!  → nothing
		1h                           → nothing
		169h  [ops up]               → nothing`},
	{"what ended and came back while the channel was down is told in that order", `
		0h  crm/hash               → ops: opened crm/hash
		1h  [ops down]             → nothing
		2h  crm/hash               → nothing
		3h  [ops up] crm/hash      → ops↩: resolved crm/hash ; ops: opened crm/hash`},
	{"a service is left alone for as long as it wants", `
		0h    [ops wants 2h] crm/fresh!  → nothing
		1h    [ops up] crm/fresh!        → nothing
		119m  crm/fresh!                 → nothing
		2h    crm/fresh!                 → ops: opened crm/fresh!`},
	{"a silenced job is told of when its silence ends", `
		0h  [silence crm until 5h] crm/fresh! media/fresh!  → ops: opened media/fresh!
		4h  crm/fresh! media/fresh!                         → nothing
		5h  crm/fresh! media/fresh!                         → ops: opened crm/fresh!`},
	{"what began and ended in a silence is nobody's concern", `
		0h  [silence crm until 5h]  → nothing
		1h  crm/fresh!              → nothing
		2h                          → nothing
		6h                          → nothing`},
	{"who knew before the silence is not reminded in it, and hears the end", `
		0h   crm/streams                              → ops: opened crm/streams
		1h   [silence crm until 40h] crm/streams!     → nothing
		30h  crm/streams!                             → nothing
		31h                                           → ops↩: resolved crm/streams!`},
	{"… and is reminded, or told that it is worse, after it", `
		0h   crm/streams media/hash                                                → ops: opened crm/streams ; ops: opened media/hash
		1h   [silence crm until 40h] [silence media until 40h] crm/streams media/hash → nothing
		39h  crm/streams! media/hash                                               → nothing
		40h  crm/streams! media/hash  → ops↩: worsened crm/streams! ; ops↩: reminder media/hash`},
	{"a silence of everything does not silence the vault", `
		0h  [silence * until 5h] vault/public! crm/fresh!  → ops: opened vault/public!`},
	{"what opened three times in a day is over once it is quiet for an hour", `
		0h    crm/hash  → ops: opened crm/hash
		1h              → ops↩: resolved crm/hash
		2h    crm/hash  → ops: opened crm/hash
		3h              → ops↩: resolved crm/hash
		4h    crm/hash  → ops: opened crm/hash
		5h              → nothing
		330m  crm/hash  → nothing
		6h              → nothing
		419m            → nothing
		7h              → ops↩: resolved crm/hash
		8h    crm/hash  → ops: opened crm/hash
		9h              → nothing
		10h             → ops↩: resolved crm/hash`},
	{"it is reminded of while it flaps, but not while it is quiet", `
		0h    crm/hash  → ops: opened crm/hash
		1h              → ops↩: resolved crm/hash
		2h    crm/hash  → ops: opened crm/hash
		3h              → ops↩: resolved crm/hash
		4h    crm/hash  → ops: opened crm/hash
		27h             → nothing
		1679m crm/hash  → nothing
		28h   crm/hash  → ops↩: reminder crm/hash`},
	{"three times in more than a day is ordinary", `
		0h   crm/hash  → ops: opened crm/hash
		1h             → ops↩: resolved crm/hash
		12h  crm/hash  → ops: opened crm/hash
		13h            → ops↩: resolved crm/hash
		24h  crm/hash  → ops: opened crm/hash
		25h            → ops↩: resolved crm/hash`},
	{"an older look changes nothing", `
		0h  crm/fresh!                → ops: opened crm/fresh!
		1h  [revision 1]              → nothing
		2h  [revision 2]              → ops↩: resolved crm/fresh!
		2h  [revision 1] crm/fresh!   → nothing
		2h  [revision 2] media/fresh! → nothing
		3h  [revision 3] media/fresh! → ops: opened media/fresh!`},
	{"a monitor that counts from the beginning again is believed after an hour", `
		0h    [revision 90] crm/fresh!  → ops: opened crm/fresh!
		30m   [revision 1]              → nothing
		61m   [revision 2]              → ops↩: resolved crm/fresh!
		62m   [revision 3] crm/fresh!   → ops: opened crm/fresh!`},
	{"a look that could not be remembered adds what it saw, and ends nothing", `
		0h  crm/fresh!                        → ops: opened crm/fresh!
		1h  [revision 0] vault/reachable!     → ops: opened vault/reachable!
		2h  [revision 0] vault/reachable!     → nothing
		3h  [revision 2] crm/fresh!           → ops↩: resolved vault/reachable!`},
	{"a run about one job tells of that job alone", `
		0h  crm/fresh!                                     → ops: opened crm/fresh!
		1h  [only media] media/hash! vault/public!         → ops: opened media/hash!
		2h  media/hash! vault/public!                      → ops: opened vault/public! ; ops↩: resolved crm/fresh!`},
	{"… and leaves threads with other jobs to the whole run", `
		0h  a/hash b/hash c/hash d/hash e/hash   → ops: opened a/hash + opened b/hash + opened c/hash + opened d/hash + opened e/hash
		1h  [only a] b/hash c/hash d/hash e/hash → nothing
		2h  b/hash c/hash d/hash e/hash          → ops↩: resolved a/hash`},
	{"a check that is off is told nobody, and its end neither", `
		0h  [min-count off] crm/min-count  → nothing
		1h                                 → nothing
		2h  [hash critical] crm/hash       → ops: opened crm/hash!`},
	{"a check that is turned off is over when it is", `
		0h   crm/hash             → ops: opened crm/hash
		30h  [hash off] crm/hash  → nothing
		31h                       → ops↩: resolved crm/hash`},
	{"each channel is told what it wants", `
		0h  [channels dev ops] [ops tells critical] [dev tells of failed runs] crm/failed-run media/fresh! → dev: opened crm/failed-run ; ops: opened media/fresh!
		1h  crm/failed-run vault/retention  → ops↩: resolved media/fresh!
		2h                                  → dev↩: resolved crm/failed-run`},
	{"who was told of the beginning is told of the end, whatever the routes say", `
		0h   crm/fresh!                           → ops: opened crm/fresh!
		30h  [ops tells of failed runs] crm/fresh! → nothing
		31h                                       → ops↩: resolved crm/fresh!`},
	{"a new channel is told what is wrong already", `
		0h  crm/fresh!                     → ops: opened crm/fresh!
		1h  [channels dev ops] crm/fresh!  → dev: opened crm/fresh!
		2h                                 → dev↩: resolved crm/fresh! ; ops↩: resolved crm/fresh!`},
	{"a channel that fails twice is told of by the others, in the same run, and when it recovers", `
		0h  [channels dev ops] [ops down] crm/fresh!  → dev: opened crm/fresh!
		1h  crm/fresh!                                → dev: opened vault/channel!
		2h  crm/fresh!                                → nothing
		3h  [ops up] crm/fresh!                       → dev↩: resolved vault/channel! ; ops: opened crm/fresh!
		4h                                            → dev↩: resolved crm/fresh! ; ops↩: resolved crm/fresh!`},
	{"a channel that is left alone for long is told of too", `
		0h   [channels dev ops] [ops wants 3h] crm/fresh!  → dev: opened crm/fresh!
		9m   [ops up] crm/fresh!                           → nothing
		10m  crm/fresh!                                    → dev: opened vault/channel!
		3h   crm/fresh!                                    → dev↩: resolved vault/channel! ; ops: opened crm/fresh!`},
	{"one failure is not worth telling", `
		0h  [channels dev ops] [ops down] crm/fresh!  → dev: opened crm/fresh!
		1h  [ops up] crm/fresh!                       → ops: opened crm/fresh!`},
	{"a clock that was ahead does not keep reminders back", `
		0h     crm/fresh!  → ops: opened crm/fresh!
		9000h  crm/fresh!  → ops↩: reminder crm/fresh!
		1h     crm/fresh!  → nothing
		25h    crm/fresh!  → ops↩: reminder crm/fresh!`},
}

// do carries out what stands in brackets.
func (h *house) do(command string) {
	words := strings.Fields(command)
	last := words[len(words)-1]
	rule := h.rules.Channels[words[0]]
	switch {
	case words[0] == "channels":
		for _, name := range words[1:] {
			if h.phones[name] == nil {
				h.phones[name], h.rules.Channels[name] = &phone{}, Rule{Remind: day}
			}
		}
		h.teller = h.newTeller()
		return
	case words[0] == "silence":
		s := Silence{Host: "web1", Job: words[1], From: h.now, Until: start.Add(duration(last))}
		if s.Job == "*" {
			s.Host = "*"
		}
		if err := AddSilence(context.Background(), h.vault, s, h.now); err != nil {
			h.t.Fatal(err)
		}
		return
	case words[0] == "revision":
		h.revision = int64(last[0]-'0') - 1
		if len(last) == 2 {
			h.revision = h.revision*10 + 9 + int64(last[1]-'0')
		}
		return
	case words[0] == "only":
		h.in.Whole = false
		h.in.Jobs = map[holdfast.JobName]Job{{Host: "web1", Job: last}: {}}
		return
	case h.phones[words[0]] == nil: // a check
		if h.rules.Severity == nil {
			h.rules.Severity = map[string]holdfast.Severity{}
		}
		h.rules.Severity[words[0]] = holdfast.Severity(last)
		return
	case last == "up":
		h.phones[words[0]].set(nil)
	case last == "down":
		h.phones[words[0]].set(down)
	case words[1] == "wants":
		after := duration(last)
		h.phones[words[0]].set(func(context.Context, holdfast.Message) error {
			return &holdfast.RetryAfterError{After: after, Err: errors.New("429 too many requests")}
		})
	case last == "reminds":
		rule.Remind = 0
	case last == "critical":
		rule.Least = holdfast.Critical
	case last == "runs":
		h.rules.Wants = func(channel, _, _ string, event holdfast.Event) bool {
			return event.Bad() && (channel != words[0] || event == holdfast.BackupFailed)
		}
	default:
		h.t.Fatalf("[%s] is not understood", command)
	}
	h.rules.Channels[words[0]] = rule
}

func duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		panic(err)
	}
	return d
}

// play carries out one line of a history and returns what was told.
func (h *house) play(line string) []string {
	at, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	h.now = start.Add(duration(at))
	h.in.Whole, h.in.Jobs = true, map[holdfast.JobName]Job{}
	for rest = strings.TrimSpace(rest); strings.HasPrefix(rest, "["); rest = strings.TrimSpace(rest) {
		var command string
		command, rest, _ = strings.Cut(rest[1:], "]")
		h.do(command)
	}
	if zero := strings.Contains(line, "[revision 0]"); zero {
		h.revision = -1
		h.look(strings.Fields(rest)...)
		h.revision = 1
	} else {
		h.look(strings.Fields(rest)...)
	}
	h.run()
	return h.said()
}

func TestWhatIsTold(t *testing.T) {
	for _, history := range histories {
		t.Run(history.name, func(t *testing.T) {
			h := newHouse(t, "ops")
			for line := range strings.SplitSeq(strings.TrimSpace(history.runs), "\n") {
				before, after, ok := strings.Cut(line, "→")
				if !ok {
					t.Fatalf("%q has no arrow", line)
				}
				want := []string{}
				if after = strings.TrimSpace(after); after != "nothing" {
					want = strings.Split(after, " ; ")
				}
				if diff := cmp.Diff(want, h.play(before)); diff != "" {
					t.Fatalf("%s (-want +got):\n%s", strings.TrimSpace(before), diff)
				}
			}
		})
	}
}

// The same histories, when each run is that of a new process, which knows only
// what lies in the vault, and when each run comes twice.
func TestWhatIsToldDependsOnTheVaultAlone(t *testing.T) {
	for _, history := range histories {
		t.Run(history.name, func(t *testing.T) {
			h := newHouse(t, "ops")
			for line := range strings.SplitSeq(strings.TrimSpace(history.runs), "\n") {
				before, after, _ := strings.Cut(line, "→")
				want := []string{}
				if after = strings.TrimSpace(after); after != "nothing" {
					want = strings.Split(after, " ; ")
				}
				h.teller = h.newTeller()
				if diff := cmp.Diff(want, h.play(before)); diff != "" {
					t.Fatalf("%s (-want +got):\n%s", strings.TrimSpace(before), diff)
				}
				if strings.Contains(history.runs, "down]") { // another run in a row would be another failure
					continue
				}
				h.teller = h.newTeller()
				if h.run(); len(h.said()) > 0 {
					t.Fatalf("%s: told again by a second run", strings.TrimSpace(before))
				}
			}
		})
	}
}
