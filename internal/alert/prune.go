package alert

import (
	"maps"
	"slices"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// What nobody could be told of goes after a while: ends, and what was opened
// and ended, after giveUp.
const giveUp = 7 * 24 * time.Hour

// forget is how long a channel is remembered that no run's rules name: another
// monitor may have other rules, be it for a moment, and must not cause what was told
// to be told again. Sooner, after abandoned, nobody is told any more that it fails.
const (
	forget    = 7 * 24 * time.Hour
	abandoned = time.Hour
)

// maxWait is the longest that a service can ask to be left alone.
const maxWait = 24 * time.Hour

// maxItems is how many items a message has, and how many that are over a thread
// keeps in view.
const maxItems = 30

// mend takes out what cannot be: what is remembered of channels that are gone, and
// times to come.
func (st *state) mend(m moment) {
	for name := range m.rules.Channels {
		st.channel(name).Used = m.now
	}
	gone := func(name string) bool {
		c := st.Channels[name]
		return c == nil || m.now.Sub(c.Used) >= forget
	}
	maps.DeleteFunc(st.Channels, func(name string, _ *channel) bool { return gone(name) })
	for _, i := range st.Incidents {
		maps.DeleteFunc(i.Due, func(name string, _ bool) bool { return gone(name) })
		maps.DeleteFunc(i.Told, func(name string, _ told) bool { return gone(name) })
	}
	st.notAfter(m.now)
}

// notAfter sets times to come, which a clock that was ahead has left, to now, and
// removes what has run out.
func (st *state) notAfter(now time.Time) {
	past := func(at *time.Time) {
		if at.After(now) {
			*at = now
		}
	}
	if st.Looked.After(now.Add(holdfast.FutureTolerance)) {
		st.Looked, st.Revision = now, 0 // or nothing would be believed until then
	}
	past(&st.Cleaned)
	for _, i := range st.Incidents {
		past(&i.Opened)
		past(&i.Cleared)
		for name, t := range i.Told {
			past(&t.At)
			i.Told[name] = t
		}
	}
	for _, c := range st.Channels {
		for _, at := range []*time.Time{&c.Since, &c.Tried, &c.Used, &c.NewsFrom, &c.Digested} {
			past(at)
		}
		if !c.Claim.holds("", now) {
			c.Claim = nil
		}
		if longest := now.Add(maxWait); c.Waiting.After(longest) {
			c.Waiting = longest
		}
	}
	for k, openings := range st.Openings {
		for n := range openings {
			past(&openings[n])
		}
		if st.Openings[k] = recent(openings, now); len(st.Openings[k]) == 0 {
			delete(st.Openings, k)
		}
	}
}

// prune removes what is over and told, or told nobody for too long, once no
// thread that goes on has it.
func (st *state) prune(m moment) {
	st.trimThreads(m)
	held := map[string]bool{}
	for _, c := range st.Channels {
		for _, t := range c.Threads {
			for _, id := range t.Incidents {
				held[id] = true
			}
		}
		c.pruneNews(m.now)
	}
	st.Incidents = slices.DeleteFunc(st.Incidents, func(i *incident) bool {
		if !i.Closed {
			return false
		}
		owed := false
		for name := range st.Channels {
			owed = owed || m.owed(name, i)
		}
		given := owed && m.now.Sub(i.Cleared) >= giveUp
		if given {
			st.Dropped++
		}
		return given || !owed && !held[i.ID]
	})
}

// trimThreads forgets threads that are over, and of long ones that go on some of
// what is over.
func (st *state) trimThreads(m moment) {
	ids := st.byID()
	for name, c := range st.Channels {
		maps.DeleteFunc(c.Threads, func(_ string, t *thread) bool {
			over := func(id string) bool { return ids[id].Closed && !m.owed(name, ids[id]) }
			t.Incidents = slices.DeleteFunc(t.Incidents, func(id string) bool { return ids[id] == nil })
			for n := len(t.Incidents) - 1; n >= 0 && len(t.Incidents) > maxItems; n-- {
				if over(t.Incidents[n]) {
					t.Incidents = slices.Delete(t.Incidents, n, n+1)
				}
			}
			return !slices.ContainsFunc(t.Incidents, func(id string) bool { return !over(id) })
		})
	}
}

// troubled returns the jobs that something is wrong with, by what people may know.
func (st *state) troubled(m moment) map[holdfast.JobName]bool {
	jobs := map[holdfast.JobName]bool{}
	for _, i := range st.Incidents {
		if !i.Closed && i.Finding.Host != "" && m.severity(i) != Off {
			jobs[i.job()] = true
		}
	}
	return jobs
}
