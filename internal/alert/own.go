package alert

import (
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// When a channel that fails is something to tell by the others: after so many runs
// in a row, or where its service wants to be left alone, after that time.
const (
	brokenRuns = 2
	brokenTime = 10 * time.Minute
)

// watchSilences opens or clears the finding that the silences cannot be read.
func (st *state) watchSilences(m moment, live map[key]*incident) {
	k := key{check: holdfast.CheckState, about: "silences"}
	switch i := live[k]; {
	case m.unreachable(): // which is told, and why they cannot be read
	case m.unsilenced != "":
		st.found(live, k, holdfast.Finding{
			Check: holdfast.CheckState, Severity: holdfast.Warning,
			Summary: "nothing is silenced, because the silences cannot be read: " + holdfast.Printable(m.unsilenced),
			Hint:    "remove " + SilencesKey + " from the vault, and silence again what has to be",
		}, m.now, m.now)
	case i != nil:
		i.clear(m.now)
	}
}

// unreachable reports whether the vault could not be judged.
func (m moment) unreachable() bool {
	return slices.ContainsFunc(m.in.Open, func(f holdfast.Finding) bool { return f.Check == holdfast.CheckReachable })
}

// watchChannels opens and clears the findings that channels take no messages.
func (st *state) watchChannels(m moment, live map[key]*incident) {
	for name := range m.rules.Channels {
		c := st.channel(name)
		c.setUp(m.broken[name], m.now)
		k := key{check: holdfast.CheckChannel, about: name}
		switch i := live[k]; {
		case c.broken(m.now):
			st.found(live, k, holdfast.Finding{
				Check: holdfast.CheckChannel, Severity: holdfast.Critical, Since: c.Since,
				Summary: fmt.Sprintf("channel %q does not take messages: %s", name, c.Err),
				Hint:    "holdfast alert test " + name,
			}, m.now, m.now)
		case i != nil && c.Fails == 0:
			i.clear(m.now)
		}
	}
	for k, i := range live {
		c := st.Channels[k.about]
		if i.ofChannel() && (c == nil || m.now.Sub(c.Used) >= abandoned) {
			i.clear(m.now) // nobody wants to use it any more
		}
	}
}

// setUp notes that a channel could not be set up, or could be after all.
func (c *channel) setUp(err error, now time.Time) {
	switch {
	case err != nil && c.Fails == 0:
		c.Fails, c.Since, c.Err, c.Broken = brokenRuns, now, cut(holdfast.Printable(err.Error()), maxText), true
	case err == nil && c.Broken:
		c.Fails, c.Since, c.Err, c.Broken = 0, time.Time{}, "", false
	}
}

// broken reports whether it is time to tell others that a channel fails.
func (c *channel) broken(now time.Time) bool {
	return c.Fails >= brokenRuns || c.Fails > 0 && now.Before(c.Waiting) && now.Sub(c.Since) >= brokenTime
}

// unnoticed reports whether a channel has failed or recovered since the
// incidents were last looked over.
func (st *state) unnoticed(m moment) bool {
	live := st.live()
	for name := range m.rules.Channels {
		c, i := st.Channels[name], live[key{check: holdfast.CheckChannel, about: name}]
		known := i != nil && i.open()
		if c != nil && (c.broken(m.now) && !known || c.Fails == 0 && known) {
			return true
		}
	}
	return false
}
