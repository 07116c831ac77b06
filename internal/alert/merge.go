package alert

import (
	"maps"
	"slices"
	"time"
)

// unsaved is what a Teller knows beyond what it could save: whether there is
// anything, and by what its memory differs from what it last loaded.
type unsaved struct {
	is    bool
	fresh map[string]bool // of contents, what it added or changed
	gone  map[string]bool // … and what it removed
	done  map[string]bool // owners of claims that have ended
}

func savedAll() unsaved {
	return unsaved{fresh: map[string]bool{}, gone: map[string]bool{}, done: map[string]bool{}}
}

func toldKey(channel string, i *incident) string { return "told " + channel + " " + i.ID }
func newsKey(channel string, n news) string      { return "news " + channel + " " + n.id() }

// contents returns the ids of incidents and of news, and what channels were told.
func (st *state) contents() map[string]told {
	all := map[string]told{}
	for _, i := range st.Incidents {
		all[i.ID] = told{}
		for name, t := range i.Told {
			all[toldKey(name, i)] = t
		}
	}
	for name, c := range st.Channels {
		for _, n := range c.News {
			all[newsKey(name, n)] = told{}
		}
	}
	return all
}

// note adds what has changed since the state had those contents.
func (u *unsaved) note(before map[string]told, st *state) {
	u.is = true
	after := st.contents()
	for id, t := range after {
		was, is := before[id]
		u.fresh[id] = u.fresh[id] || !is || was != t
	}
	for id := range before {
		_, is := after[id]
		u.gone[id] = u.gone[id] || !is
	}
}

// merge adds what a Teller remembers, and could not save, to what the vault has.
// What the Teller had from the vault and the vault has no more is over, and told
// except for what the Teller alone knows.
func (st *state) merge(mine *state, u unsaved) {
	newer := later(mine.Revision, mine.Looked, st.Revision, st.Looked)
	ids, renamed := st.byID(), map[string]string{}
	for _, i := range mine.Incidents {
		if theirs := ids[i.ID]; theirs != nil {
			theirs.merge(i, newer)
		}
	}
	live := st.live() // after the ends that the Teller knows of
	for _, i := range mine.Incidents {
		theirs := live[i.key()]
		switch {
		case ids[i.ID] != nil:
		case !u.fresh[i.ID]:
			if i.end(latest(i.Opened, st.Looked), u); len(i.Told) > 0 {
				st.Incidents = append(st.Incidents, i)
			}
		case theirs != nil && !i.Closed: // another monitor opened it too
			renamed[i.ID] = theirs.ID
			theirs.merge(i, newer)
		default:
			st.Incidents = append(st.Incidents, i)
		}
	}
	for name, c := range mine.Channels {
		st.channel(name).merge(name, c, renamed, u)
	}
	for k, openings := range mine.Openings {
		all := slices.SortedFunc(slices.Values(append(openings, st.Openings[k]...)), time.Time.Compare)
		all = slices.CompactFunc(all, time.Time.Equal)
		st.Openings[k] = all[max(0, len(all)-flapLimit):]
	}
	for job, id := range mine.Seen {
		st.Seen[job] = max(id, st.Seen[job])
	}
	if newer {
		st.Revision, st.Looked = mine.Revision, mine.Looked
	}
	st.Cleaned = latest(st.Cleaned, mine.Cleaned)
	st.Dropped = max(st.Dropped, mine.Dropped)
}

// end closes an incident that others have closed, and leaves of it who was told
// by this Teller, and has not heard from it that it is over.
func (i *incident) end(at time.Time, u unsaved) {
	if i.Closed, i.Due = true, nil; i.Cleared.IsZero() {
		i.Cleared = at
	}
	maps.DeleteFunc(i.Told, func(name string, t told) bool { return t.Over || !u.fresh[toldKey(name, i)] })
}

// merge adds another's knowledge of the same incident. One that is over stays so.
func (i *incident) merge(mine *incident, newer bool) {
	switch {
	case i.Closed:
	case newer:
		i.Finding, i.Cleared, i.Closed, i.Flapping = mine.Finding, mine.Cleared, mine.Closed, mine.Flapping
		i.Finding.Since = i.Opened
	case mine.Closed && !i.Cleared.IsZero():
		i.Closed = true
	}
	for name, t := range mine.Told {
		if had := i.Told[name]; had.N != t.N || had.Over != t.Over || !had.At.Equal(t.At) {
			i.know(name, t)
		}
	}
	for name := range mine.Due {
		if t, was := i.Told[name]; !was || t.Over && mine.Told[name].Over {
			i.due(name)
		}
	}
}

func (c *channel) merge(name string, mine *channel, renamed map[string]string, u unsaved) {
	if c.Claim != nil && u.done[c.Claim.Owner] {
		c.Claim = nil
	}
	if mine.Claim != nil && c.Claim == nil && !u.done[mine.Claim.Owner] {
		c.Claim = mine.Claim
	}
	if mine.Tried.After(c.Tried) {
		c.Fails, c.Since, c.Err, c.Tried, c.Waiting = mine.Fails, mine.Since, mine.Err, mine.Tried, mine.Waiting
	}
	for id, t := range mine.Threads {
		if c.Threads[id] == nil {
			for n, incident := range t.Incidents {
				if to, ok := renamed[incident]; ok {
					t.Incidents[n] = to
				}
			}
			c.Threads[id] = t
		}
	}
	c.News = slices.DeleteFunc(c.News, func(n news) bool { return u.gone[newsKey(name, n)] })
	have := map[string]bool{}
	for _, n := range c.News {
		have[n.id()] = true
	}
	for _, n := range mine.News {
		if u.fresh[newsKey(name, n)] && !have[n.id()] {
			c.News = append(c.News, n)
		}
	}
	if c.NewsFrom.IsZero() {
		c.NewsFrom = mine.NewsFrom
	}
	c.Digested = latest(c.Digested, mine.Digested)
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
