package alert

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// maxMessages is how many openings, and how many other changes, a channel is
// sent by a run as messages of their own; more come as one.
const maxMessages = 4

// telling is a message for one channel, and what the channel knows once it has
// taken it.
type telling struct {
	message holdfast.Message
	told    map[string]told // by incident
	about   []*incident
	thread  []string  // incidents of the thread that the message begins
	news    []string  // by news.id
	digest  time.Time // for which a digest was due
	since   time.Time // of which the digest speaks
}

// change is one thing to tell.
type change struct {
	*incident
	step holdfast.Step
}

// tell returns what a channel has to be told, what is new first, except that the
// end of something comes before its next beginning.
func (st *state) tell(name string, m moment) []telling {
	openings, changes := map[string][]change{}, map[string][]change{}
	for _, i := range st.Incidents {
		c := change{i, m.step(name, i)}
		if c.step == "" || !m.covers(i) {
			continue
		}
		if t, was := i.Told[name]; !was || c.step == holdfast.Opened {
			openings[i.job().String()] = append(openings[i.job().String()], c)
		} else if st.coversThread(name, t.Thread, m) {
			changes[t.Thread] = append(changes[t.Thread], c)
		}
	}
	var ends, all, rest []telling
	opened := map[key]bool{}
	for _, group := range m.together(openings) {
		for _, c := range group {
			opened[c.key()] = opened[c.key()] || c.step == holdfast.Opened
		}
		all = append(all, m.telling(name, group, nil))
	}
	for _, group := range m.together(changes) {
		var on *holdfast.Thread
		if len(changes) <= maxMessages {
			on = st.thread(name, m, group)
		}
		t := m.telling(name, group, on)
		if slices.ContainsFunc(group, func(c change) bool { return c.step == holdfast.Resolved && opened[c.key()] }) {
			ends = append(ends, t) // else it would seem that what has come back is over
		} else {
			rest = append(rest, t)
		}
	}
	all = slices.Concat(ends, all, rest)
	if m.channelsOnly {
		return all
	}
	all = append(all, st.tellNews(name, m)...)
	if slot, since, due := st.digestDue(name, m); due {
		message := m.message(holdfast.KindDigest, name, slot.UTC().Format(time.RFC3339))
		all = append(all, telling{message: message, digest: slot, since: since})
	}
	return all
}

// together returns the groups with their worst first, in this order too, or one
// group where there are too many.
func (m moment) together(groups map[string][]change) [][]change {
	list := slices.Collect(maps.Values(groups))
	if len(list) > maxMessages {
		list = [][]change{slices.Concat(list...)}
	}
	for _, group := range list {
		slices.SortFunc(group, m.worstFirst)
	}
	slices.SortFunc(list, func(a, b []change) int { return m.worstFirst(a[0], b[0]) })
	return list
}

func (m moment) worstFirst(a, b change) int {
	over := func(c change) int {
		if c.step == holdfast.Resolved {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(over(a), over(b)), cmp.Compare(rank(m.severity(a.incident)), rank(m.severity(b.incident))),
		cmp.Compare(a.key().String(), b.key().String()), a.Opened.Compare(b.Opened), cmp.Compare(a.ID, b.ID))
}

// coversThread reports whether the run may tell of all that a thread is about.
func (st *state) coversThread(name, id string, m moment) bool {
	t := st.Channels[name].Threads[id]
	if t == nil || m.in.Whole {
		return true
	}
	return !slices.ContainsFunc(st.Incidents, func(i *incident) bool {
		return slices.Contains(t.Incidents, i.ID) && !m.covers(i)
	})
}

// thread returns the thread that a group of changes goes on from, as it stands
// after them; nil where it is not known any more.
func (st *state) thread(name string, m moment, group []change) *holdfast.Thread {
	id := group[0].Told[name].Thread
	t := st.Channels[name].Threads[id]
	if t == nil {
		return nil
	}
	ids, view := st.byID(), &holdfast.Thread{ID: id, At: t.At, Posted: t.Posted}
	for _, id := range t.Incidents {
		if i := ids[id]; i != nil {
			step := holdfast.Opened
			if i.Closed {
				step = holdfast.Resolved
			}
			view.Items = append(view.Items, m.item(name, change{i, step}))
		}
	}
	return view
}

// telling makes the message about a group of changes.
func (m moment) telling(name string, group []change, on *holdfast.Thread) telling {
	t := telling{told: map[string]told{}}
	parts, lasting := []string{}, false
	for _, c := range group {
		next := c.Told[name]
		before := next.At.UTC().Format(time.RFC3339Nano)
		next.N, next.At, next.Severity = next.N+1, m.now, m.severity(c.incident)
		if next.Over = c.step == holdfast.Resolved; !next.Over {
			lasting = true
		}
		switch c.step {
		case holdfast.Opened:
			next.Reminded = 0
		case holdfast.Reminder:
			next.Reminded++
		}
		t.told[c.ID], t.about = next, append(t.about, c.incident)
		parts = append(parts, digest(c.ID, string(c.step), string(next.Severity), strconv.Itoa(next.N), before))
	}
	slices.Sort(parts) // the order is for people, and depends on what changes
	t.message = m.message(holdfast.KindChange, name, parts...)
	t.message.Thread = on
	for _, c := range group[:min(len(group), maxItems)] {
		t.message.Items = append(t.message.Items, m.item(name, c))
	}
	t.message.More = len(group) - len(t.message.Items)
	if _, was := group[0].Told[name]; was && group[0].step != holdfast.Opened || !lasting {
		return t
	}
	for _, c := range group {
		t.thread = append(t.thread, c.ID)
		next := t.told[c.ID]
		next.Thread = t.message.ID
		t.told[c.ID] = next
	}
	return t
}

func (m moment) message(kind holdfast.Kind, channel string, parts ...string) holdfast.Message {
	id := digest(append([]string{string(kind), m.vault, channel}, parts...)...)
	return holdfast.Message{ID: id, Kind: kind, At: m.now, Vault: m.vault}
}

// item returns one change as a message says it.
func (m moment) item(name string, c change) holdfast.Item {
	item := holdfast.Item{
		Event: c.event(), Step: c.step, At: m.now, Finding: c.Finding,
		Last: m.in.Jobs[c.job()].Last, Flapping: c.Flapping,
	}
	switch c.step {
	case holdfast.Opened:
		item.At = c.Opened
	case holdfast.Resolved:
		item.At = c.Cleared
	}
	if item.Finding.Severity = m.severity(c.incident); item.Finding.Severity == Off {
		item.Finding.Severity = c.Finding.Severity
		if t, was := c.Told[name]; was && rank(t.Severity) < rank(Off) {
			item.Finding.Severity = t.Severity
		}
	}
	return item
}

// tellNews returns the good news that waits for a channel, as one message.
func (st *state) tellNews(name string, m moment) []telling {
	var t telling
	var items []holdfast.Item
	for _, n := range st.Channels[name].News {
		_, ok := m.in.Jobs[n.job()]
		if ok || m.in.Whole {
			t.news, items = append(t.news, n.id()), append(items, n.item(m.in))
		}
	}
	if len(items) == 0 {
		return nil
	}
	t.message = m.message(holdfast.KindChange, name, append([]string{"news"}, t.news...)...)
	t.message.Items = items[:min(len(items), maxItems)]
	t.message.More = len(items) - len(t.message.Items)
	return []telling{t}
}
