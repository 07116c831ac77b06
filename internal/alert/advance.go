package alert

import (
	"slices"
	"time"
	"unicode/utf8"

	"github.com/holdfast-backup/holdfast"
)

// What opened flapLimit times within flapWindow flaps: that it is over is told
// only after it has been quiet for calm. If it comes back in that time, the same
// incident goes on and nobody is told anything.
const (
	flapLimit  = 3
	flapWindow = 24 * time.Hour
	calm       = time.Hour
)

// newMemory is how much later a look of a lower revision must have been taken
// to be believed: by then it is no late one, but that of a monitor whose memory was
// lost and counts from the beginning.
const newMemory = time.Hour

// maxText is how much of a finding's text is remembered, in bytes.
const maxText = 500

// advance brings the state up to the moment: what is open, what is over, what
// each channel should be told. It sends nothing, and does nothing the second time.
func advance(st *state, m moment) {
	st.ids = nil
	st.mend(m)
	troubled := st.troubled(m)
	live := st.live()
	st.take(m, live)
	st.watchSilences(m, live)
	st.watchChannels(m, live)
	for _, i := range live {
		i.close(m.now)
	}
	for _, i := range st.Incidents {
		for channel := range m.rules.Channels {
			if t, was := i.Told[channel]; (!was || t.Over) && i.open() && m.wants(channel, i) && !m.silenced(i.job()) {
				i.due(channel)
			}
		}
	}
	st.gatherNews(m, troubled)
	st.beginDigests(m)
	st.prune(m)
}

// take takes in what a look saw, unless a newer one was taken in before.
func (st *state) take(m moment, live map[key]*incident) {
	in := m.in
	newer := later(in.Revision, in.At, st.Revision, st.Looked)
	if in.Revision != 0 && !newer {
		return
	}
	found := map[key]bool{}
	for _, f := range in.Open {
		found[keyOf(f)] = true
		st.found(live, keyOf(f), f, in.At, m.now)
	}
	if in.Revision == 0 { // it says nothing of what it does not name
		return
	}
	for k, i := range live {
		if i.About == "" && !found[k] {
			i.clear(in.At)
		}
	}
	st.Revision, st.Looked = in.Revision, in.At
}

// later reports whether a look is newer than another.
func later(revision int64, at time.Time, than int64, looked time.Time) bool {
	return revision > than || revision > 0 && at.After(looked.Add(newMemory))
}

// found opens an incident, or goes on with the one that there is.
func (st *state) found(live map[key]*incident, k key, f holdfast.Finding, at, now time.Time) {
	i := live[k]
	if i != nil && !i.Cleared.IsZero() {
		if i.close(at); i.Closed {
			i = nil
		}
	}
	if i == nil || !i.open() {
		st.Openings[k.String()] = append(st.Openings[k.String()], at)
		slices.SortFunc(st.Openings[k.String()], time.Time.Compare) // at may be of a late look
	}
	if i == nil {
		i = &incident{ID: incidentID(k, at, now), About: k.about, Opened: at}
		if !f.Since.IsZero() && f.Since.Before(at) {
			i.Opened = f.Since
		}
		st.add(i)
		live[k] = i
	}
	i.Cleared = time.Time{}
	i.Finding = bounded(f)
	i.Finding.Since = i.Opened
	i.Flapping = len(recent(st.Openings[k.String()], at)) >= flapLimit
}

// add adds an incident under an id that no other has.
func (st *state) add(i *incident) {
	if st.ids == nil {
		st.ids = st.byID()
	}
	for st.ids[i.ID] != nil {
		i.ID = digest(i.ID)
	}
	st.ids[i.ID], st.Incidents = i, append(st.Incidents, i)
}

// clear notes that nothing is wrong any more.
func (i *incident) clear(at time.Time) {
	if i.open() {
		i.Cleared = at
		if at.Before(i.Opened) {
			i.Cleared = i.Opened
		}
	}
}

// close ends what is cleared; what flaps, once it has been so for long enough.
func (i *incident) close(now time.Time) {
	if !i.Cleared.IsZero() && (!i.Flapping || now.Sub(i.Cleared) >= calm) {
		i.Closed = true
	}
}

func (i *incident) due(channel string) {
	if i.Due == nil {
		i.Due = map[string]bool{}
	}
	i.Due[channel] = true
}

// recent returns the openings that count for flapping: the last ones, within
// the window.
func recent(openings []time.Time, now time.Time) []time.Time {
	for len(openings) > 0 && (len(openings) > flapLimit || now.Sub(openings[0]) >= flapWindow) {
		openings = openings[1:]
	}
	return openings
}

// bounded cuts the texts of a finding.
func bounded(f holdfast.Finding) holdfast.Finding {
	for _, text := range []*string{&f.Summary, &f.Expected, &f.Actual, &f.Hint} {
		*text = cut(*text, maxText)
	}
	return f
}

func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	most -= len("…")
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most] + "…"
}
