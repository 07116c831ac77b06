package alert

import "time"

// beginDigests notes for channels that begin to want digests when the last one
// was due: the first is sent when the next is.
func (st *state) beginDigests(m moment) {
	for name, rule := range m.rules.Channels {
		switch c := st.channel(name); {
		case rule.Digest == nil:
			c.Digested = time.Time{}
		case c.Digested.IsZero():
			c.Digested = rule.Digest(m.now)
		}
	}
}

// digestDue returns the time for which a channel is to be sent a digest now, and
// the time since which it speaks.
func (st *state) digestDue(name string, m moment) (slot, since time.Time, due bool) {
	rule, c := m.rules.Channels[name], st.Channels[name]
	if rule.Digest == nil || !m.in.Whole || m.in.Overview == nil || c.Digested.IsZero() {
		return time.Time{}, time.Time{}, false
	}
	slot = rule.Digest(m.now)
	return slot, c.Digested, slot.After(c.Digested)
}
