// Package alert decides who has to be told what, and tells them: once when
// something goes wrong, again when it worsens and every so often while it lasts,
// once when it is over. What is wrong comes from the monitor, as the whole of
// what is open in a vault; how it is told is a channel's part.
//
// # Knowledge, not events
//
// For each alert, one check of one job from its opening to its end, the state
// holds what each channel has been told of it. A run compares that with what is
// so, and tells the difference. A channel that was out of order for a day
// is told once how things stand, not each step it missed; an alert that opened and
// ended in that time it is told in one item (Resolved, never Opened before).
//
// # State
//
// The state is one JSON document under StateKey in the vault it speaks of, swapped
// conditionally. Before a run sends anything through a channel it claims the
// channel there for the time that sending may take; what was taken it
// writes down afterwards and releases the claim. So two runs at once tell nothing
// twice, and what no channel has taken is tried again by the next run. Where the
// claimant dies between sending and writing down, the same message, with the same
// ID, is sent again after the claim has run out: rather twice than never. While the
// vault cannot be reached, which is itself something to tell, the Teller goes on
// with what it remembers.
//
// # Order
//
// Input.Revision orders what runs saw: an older look than one that the state has
// taken in changes nothing.
package alert

import (
	"time"

	"github.com/holdfast-backup/holdfast"
)

// StateKey is where the state lies; SilencesKey, what is silenced.
const (
	StateKey    = holdfast.StatePrefix + "alerts.json"
	SilencesKey = holdfast.StatePrefix + "silences.json"
)

// Input is what a run of the monitor saw in one vault.
type Input struct {
	At time.Time // when the look was taken, UTC
	// Revision grows with each change of the monitor's memory. 0 where it could
	// not be saved, as while the vault is not reachable: then Open is all that
	// is known to be wrong, and says nothing of what it does not name.
	Revision int64
	// Open is all that is wrong in the vault, also of jobs that the run was not about.
	Open []holdfast.Finding
	// Jobs are the watched jobs that the run was about, which alone are told
	// of; Whole says that these are all, and the vault is told of too.
	Jobs  map[holdfast.JobName]Job
	Whole bool
	// Cleaned is the last run of retention in which nothing was wrong, zero
	// where there was none.
	Cleaned Cleaned
	// Overview returns the state of the whole since a time, for digests.
	Overview func(since time.Time) holdfast.Overview
}

// Job is what messages say of a job beside what is wrong with it.
type Job struct {
	Last *holdfast.LastBackup // newest good backup, nil where there is none
}

// Cleaned is what a run of retention did.
type Cleaned struct {
	At      time.Time
	Deleted int   // backups
	Freed   int64 // bytes
}

// Rules say who is told what. They may change from run to run.
type Rules struct {
	// Channels that there are, by name.
	Channels map[string]Rule
	// Wants reports whether a channel tells of an event of a job; host and
	// job are empty for what concerns the whole vault.
	Wants func(channel, host, job string, event holdfast.Event) bool
	// Severity of checks, by name, where it is not the finding's own; Off
	// tells nobody.
	Severity map[string]holdfast.Severity
}

// Off is the severity of a check that nobody is told of.
const Off holdfast.Severity = "off"

// Rule is what holds of one channel.
type Rule struct {
	Remind time.Duration     // between reminders; 0 for none
	Least  holdfast.Severity // the least that is told; "" for all
	// Digest returns the last time at or before now at which a digest was
	// due; nil for no digests.
	Digest func(now time.Time) time.Time
}

// Silence keeps what concerns some jobs from being told until it ends.
type Silence struct {
	Host   string    `json:"host"` // a name, or * for all
	Job    string    `json:"job"`  // the same
	From   time.Time `json:"from"`
	Until  time.Time `json:"until"`
	By     string    `json:"by,omitempty"`
	Reason string    `json:"reason,omitempty"`
}

// Outcome is what a run told.
type Outcome struct {
	Channels []ChannelOutcome `json:"channels"` // by name
	// Silences are those in force.
	Silences []Silence `json:"silences,omitempty"`
	// Remembered reports whether the state was saved.
	Remembered bool `json:"remembered"`
	// Unlinked is why messages had no link to the page, "" where they had one
	// or there is none.
	Unlinked string `json:"unlinked,omitempty"`
	// Untold is how much of what is wrong no channel has been told that should have been.
	Untold int `json:"untold"`
	// Dropped is how much was given up so far: what is over, and a channel
	// could not be told for a week.
	Dropped int `json:"dropped,omitempty"`
}

// ChannelOutcome is what became of one channel in a run.
type ChannelOutcome struct {
	Channel string    `json:"channel"`
	Sent    int       `json:"sent"`             // messages
	Err     string    `json:"err,omitempty"`    // why one was not taken, "" if all were
	Since   time.Time `json:"since,omitzero"`   // since when it fails
	Busy    bool      `json:"busy,omitempty"`   // another run has claimed it
	Waiting time.Time `json:"waiting,omitzero"` // until when the service wants to be left alone
}
