package alert

import (
	"cmp"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// moment is all that decides what is told, beside the state.
type moment struct {
	now      time.Time
	in       Input
	rules    Rules
	silences []Silence // in force
	// unsilenced says why the silences could not be read, "" if they could.
	unsilenced string
	vault      string
	broken     map[string]error // channels that could not be set up
	// channelsOnly limits what is told to channels that take no messages.
	channelsOnly bool
}

// severity returns how bad an incident is by the rules.
func (m moment) severity(i *incident) holdfast.Severity {
	return cmp.Or(m.rules.Severity[i.Finding.Check], i.Finding.Severity)
}

// wants reports whether a channel tells of the incident, silences aside. That a
// channel takes no messages is told by all others, whatever else they tell.
func (m moment) wants(channel string, i *incident) bool {
	rule, ok := m.rules.Channels[channel]
	severity := m.severity(i)
	switch {
	case !ok || severity == Off:
		return false
	case i.ofChannel():
		return i.About != channel
	case rule.Least != "" && rank(severity) > rank(rule.Least):
		return false
	}
	return m.rules.Wants(channel, i.Finding.Host, i.Finding.Job, i.event())
}

// silenced reports whether a job is silenced. The vault itself never is.
func (m moment) silenced(job holdfast.JobName) bool {
	for _, s := range m.silences {
		if s.covers(job) {
			return true
		}
	}
	return false
}

// covers reports whether the run may tell of the incident.
func (m moment) covers(i *incident) bool {
	if m.channelsOnly {
		return i.ofChannel()
	}
	_, ok := m.in.Jobs[i.job()]
	return ok || m.in.Whole
}

// step returns what a channel has to be told of the incident now, "" for nothing.
func (m moment) step(channel string, i *incident) holdfast.Step {
	t, was := i.Told[channel]
	mute := !m.wants(channel, i) || m.silenced(i.job())
	switch {
	case i.Closed && was && !t.Over:
		return holdfast.Resolved // whoever heard that it began hears that it is over
	case i.Closed && i.Due[channel] && !mute:
		return holdfast.Resolved
	case !i.open() || mute:
		return ""
	case !was || t.Over: // t.Over: it was over in the eyes of a Teller that could not save
		return holdfast.Opened
	case rank(m.severity(i)) < rank(t.Severity):
		return holdfast.Worsened
	case m.rules.Channels[channel].Remind > 0 && m.now.Sub(t.At) >= m.rules.Channels[channel].Remind:
		return holdfast.Reminder
	}
	return ""
}

// owed reports whether a channel has still to be told of an incident that is
// over, be it after a silence.
func (m moment) owed(channel string, i *incident) bool {
	t, was := i.Told[channel]
	return was && !t.Over || i.Due[channel] && m.wants(channel, i)
}
