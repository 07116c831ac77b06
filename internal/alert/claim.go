package alert

import (
	"time"

	"github.com/holdfast-backup/holdfast"
)

// A claim holds for the time that sending may take, and a margin for saving
// before and after. One that ends later than any run can take is not believed.
const (
	claimMargin = time.Minute
	maxClaim    = 15 * time.Minute
)

// claim says that a run sends through a channel.
type claim struct {
	Owner string    `json:"owner"`
	Until time.Time `json:"until"`
}

// holds reports whether it keeps another run from the channel.
func (c *claim) holds(owner string, now time.Time) bool {
	return c != nil && c.Owner != owner && now.Before(c.Until) && !c.Until.After(now.Add(maxClaim))
}

// turn is what a run has to do for one channel.
type turn struct {
	tellings []telling
	busy     bool // another run has claimed it
	waiting  bool // it wants to be left alone
	fails    int  // runs in a row in which it failed
}

// claim finds out what each channel has to be told, and claims those that can be.
func (st *state) claim(m moment, owner string, takes time.Duration) map[string]*turn {
	turns := map[string]*turn{}
	for name := range m.rules.Channels {
		c, t := st.channel(name), &turn{tellings: st.tell(name, m), fails: st.channel(name).Fails}
		if len(t.tellings) == 0 {
			continue
		}
		turns[name] = t
		switch {
		case c.Claim.holds(owner, m.now):
			t.busy = true
		case m.now.Before(c.Waiting):
			t.waiting = true
		default:
			c.Claim = &claim{Owner: owner, Until: m.now.Add(takes + claimMargin)}
		}
	}
	return turns
}

// result is what became of a turn.
type result struct {
	taken  []taken
	err    error         // why the first that was not taken was not
	after  time.Duration // for which the service wants to be left alone
	cutOff bool          // the run was ended from outside, which says nothing of the channel
}

// taken is a message that a channel has taken.
type taken struct {
	telling
	posted string
}

// maxPosted is the longest that a channel may return for a message.
const maxPosted = 256

// record writes down what became of turns, and releases their channels.
func (st *state) record(results map[string]result, owner string, now time.Time) {
	ids := st.byID()
	for name, r := range results {
		c := st.Channels[name]
		if c == nil { // it has gone meanwhile
			continue
		}
		if c.Claim != nil && c.Claim.Owner == owner {
			c.Claim = nil
		}
		for _, t := range r.taken {
			st.recordTaken(name, t, ids, now)
		}
		if r.cutOff {
			continue
		}
		c.Tried, c.Waiting, c.Broken = now, time.Time{}, false
		if r.err == nil {
			c.Fails, c.Since, c.Err = 0, time.Time{}, ""
			continue
		}
		if c.Fails++; c.Since.IsZero() {
			c.Since = now
		}
		if c.Err = cut(holdfast.Printable(r.err.Error()), maxText); r.after > 0 {
			c.Waiting = now.Add(min(r.after, maxWait))
		}
	}
}

// recordTaken writes down that a channel has taken a message.
func (st *state) recordTaken(name string, t taken, ids map[string]*incident, now time.Time) {
	c := st.Channels[name]
	for _, about := range t.about {
		knows := t.told[about.ID]
		knows.At = now
		i := ids[about.ID]
		if i == nil && knows.Over {
			continue
		}
		if i == nil { // others, who could not see the claim, have ended it: that is to be told
			i = &incident{ID: about.ID, About: about.About, Finding: about.Finding, Opened: about.Opened,
				Closed: true, Cleared: latest(about.Opened, now)}
			ids[i.ID], st.Incidents = i, append(st.Incidents, i)
		}
		i.know(name, knows)
	}
	if len(t.thread) > 0 {
		begun := &thread{At: t.message.At, Posted: t.posted, Incidents: t.thread}
		if len(begun.Posted) > maxPosted {
			begun.Posted = ""
		}
		c.Threads[t.message.ID] = begun
	}
	c.dropNews(t.news)
	if t.digest.After(c.Digested) {
		c.Digested = t.digest
	}
}

// know notes what a channel was told, unless it was told something later.
func (i *incident) know(name string, knows told) {
	if i.Told == nil {
		i.Told = map[string]told{}
	}
	if t, was := i.Told[name]; was {
		knows = t.later(knows)
	}
	i.Told[name] = knows
	delete(i.Due, name)
}
