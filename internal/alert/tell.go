package alert

import (
	"cmp"
	"fmt"
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
		if c.step == "" || !m.covers(i) || !m.urgent(c.step) {
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
	if m.channelsOnly || !m.in.Whole {
		return all
	}
	all = append(all, st.tellNews(name, m)...)
	if slot, since, due := st.digestDue(name, m); due {
		message := m.message(holdfast.KindDigest, name, slot.UTC().Format(time.RFC3339))
		all = append(all, telling{message: message, digest: slot, since: since})
	}
	return all
}

// urgent reports whether a step is told at once. A run about some jobs leaves what
// can wait to the next one about all, which tells of many jobs in one message.
func (m moment) urgent(step holdfast.Step) bool {
	return m.in.Whole || step == holdfast.Opened || step == holdfast.Worsened
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
	return cmp.Or(m.worse(a, b), cmp.Compare(a.key().String(), b.key().String()), a.Opened.Compare(b.Opened), cmp.Compare(a.ID, b.ID))
}

// worse orders changes by what is worse: what is over last, then by severity, and of
// the same the vault's own first.
func (m moment) worse(a, b change) int {
	after := func(is bool) int {
		if is {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(after(a.step == holdfast.Resolved), after(b.step == holdfast.Resolved)),
		cmp.Compare(rank(m.severity(a.incident)), rank(m.severity(b.incident))),
		cmp.Compare(after(a.Finding.Host != ""), after(b.Finding.Host != "")))
}

// byTurns returns changes with the hosts taking turns among what is equally bad: of
// many only the first are named, and one host must not take all the places.
func (m moment) byTurns(group []change) []change {
	turn, taken := make(map[string]int, len(group)), map[string]int{}
	for _, c := range group {
		at := fmt.Sprint(c.step == holdfast.Resolved, m.severity(c.incident), c.Finding.Host)
		turn[c.ID] = taken[at]
		taken[at]++
	}
	group = slices.Clone(group)
	slices.SortStableFunc(group, func(a, b change) int { return cmp.Or(m.worse(a, b), cmp.Compare(turn[a.ID], turn[b.ID])) })
	return group
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
		if i := ids[id]; i != nil && !i.Closed {
			view.Open++
		}
	}
	room := maxItems - min(view.Open, maxItems) // what goes on is named first
	for _, id := range t.Incidents {
		i := ids[id]
		switch {
		case i == nil:
		case i.Closed && room > 0:
			room--
			view.Items = append(view.Items, m.item(name, change{i, holdfast.Resolved}))
		case !i.Closed && len(view.Items) < maxItems:
			view.Items = append(view.Items, m.item(name, change{i, holdfast.Opened}))
		default:
			view.More++
		}
	}
	return view
}

// telling makes the message about a group of changes.
func (m moment) telling(name string, group []change, on *holdfast.Thread) telling {
	t := telling{told: map[string]told{}}
	parts, lasting := []string{}, false
	if len(group) > maxItems {
		group = m.byTurns(group)
	}
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
		t.news, items = append(t.news, n.id()), append(items, n.item(m.in))
	}
	if len(items) == 0 {
		return nil
	}
	t.message = m.message(holdfast.KindChange, name, append([]string{"news"}, t.news...)...)
	t.message.Items = items[:min(len(items), maxItems)]
	t.message.More = len(items) - len(t.message.Items)
	return []telling{t}
}
