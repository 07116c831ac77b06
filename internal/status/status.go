// Package status shows the state of everything at a glance: as a page of one
// file for people, as JSON for programs, as Prometheus metrics. It judges
// nothing: what is wrong the monitor says, and what stays retention.Plan says.
package status

import (
	"time"

	"github.com/holdfast-backup/holdfast"
)

// Where the page and its JSON lie in the vault they speak of.
const (
	PageKey = holdfast.StatePrefix + "status.html"
	JSONKey = holdfast.StatePrefix + "status.json"
)

// FormatVersion is the version of the JSON.
const FormatVersion = 1

// Status is the state of some vaults. Its JSON, documented in docs/status.md, is
// status.json. Texts in it may come from hosts: whoever shows them escapes them.
type Status struct {
	Version int       `json:"version"`
	At      time.Time `json:"at"`      // UTC
	Program string    `json:"program"` // "holdfast 1.0"
	Vaults  []Vault   `json:"vaults"`  // by name
}

// Vault is the state of one vault.
type Vault struct {
	Name      string             `json:"name"`
	At        time.Time          `json:"at"` // when all of it was last judged, UTC
	Reachable bool               `json:"reachable"`
	Findings  []holdfast.Finding `json:"findings"` // about the vault itself
	Jobs      []Job              `json:"jobs"`     // watched ones, by host and job
	Unwatched []string           `json:"unwatched"`
	Stored    int64              `json:"stored"` // bytes, of watched jobs
	// Past is what was stored on earlier days, oldest first: one total a day,
	// of the last 35 days. It passes from each status to the next.
	Past []Total `json:"past"`
	// Growth is how much Stored changed over the last 30 days; nil where Past
	// does not reach that far back.
	Growth   *int64    `json:"growth,omitempty"`
	Cost     *Cost     `json:"cost,omitempty"` // nil where no price is known
	Cleaned  Cleaned   `json:"cleaned,omitzero"`
	Channels []Channel `json:"channels"`
}

// Total is what a vault held at a time.
type Total struct {
	At     time.Time `json:"at"`
	Stored int64     `json:"stored"` // bytes, of watched jobs
}

// Cost is what a vault costs in a month, by what lies there now and by its growth.
type Cost struct {
	Currency  string  `json:"currency"`
	Now       float64 `json:"now"`
	Projected float64 `json:"projected"` // in 30 days, if growth goes on; Now where growth is not known
}

// Cleaned is the last run of retention.
type Cleaned struct {
	At      time.Time `json:"at,omitzero"`
	Deleted int       `json:"deleted"` // backups
	Freed   int64     `json:"freed"`   // bytes
	Failed  bool      `json:"failed,omitempty"`
}

// Channel is how a channel of alerts does.
type Channel struct {
	Name  string    `json:"name"`
	Err   string    `json:"err,omitempty"`
	Since time.Time `json:"since,omitzero"` // since when it fails
}

// Job is the state of one job.
type Job struct {
	Host     string             `json:"host"`
	Job      string             `json:"job"`
	State    string             `json:"state"`          // ok, warning, critical
	Since    time.Time          `json:"since,omitzero"` // of State, where it is not ok
	Findings []holdfast.Finding `json:"findings"`       // the worst first
	Silenced time.Time          `json:"silenced,omitzero"`
	Every    string             `json:"every,omitempty"` // expected, "24h"
	Grace    string             `json:"grace,omitempty"` // how much later is in order, "2h"
	Due      time.Time          `json:"due,omitzero"`    // when the next good backup is expected at the latest
	Last     *Backup            `json:"last,omitempty"`  // newest good one
	Usual    int64              `json:"usual,omitempty"` // median size, bytes
	Shrink   float64            `json:"shrink,omitempty"`
	Grow     float64            `json:"grow,omitempty"`
	Count    int                `json:"count"`          // good backups
	Stored   int64              `json:"stored"`         // bytes of all that lies under the job
	Backups  []Backup           `json:"backups"`        // good ones, oldest first, at most 200: older ones thinned evenly
	Keep     string             `json:"keep"`           // the rules in words: "7d all, 16d daily, …"
	Next     []Deletion         `json:"next,omitempty"` // the next deletions, soonest first
	// Adopted says what that means where something other than Holdfast has made the
	// newest good backup.
	Adopted  string    `json:"adopted,omitempty"`
	Drill    *Drill    `json:"drill,omitempty"`
	Failures []Failure `json:"failures"` // recent ones, newest first
}

// Backup is one backup.
type Backup struct {
	ID      holdfast.ID `json:"id"`
	Size    int64       `json:"size"`              // stored, bytes of its data objects
	Seconds int64       `json:"seconds,omitempty"` // from its admission to its manifest, by the vault's clock
	// Kept is why retention keeps it: rules in short, "daily", "held". None
	// where its next run deletes the backup.
	Kept []string `json:"kept,omitempty"`
	// Median is the median size of the 15 backups before it, bytes; 0 where
	// there are fewer than 3. Odd says that Size was beyond shrink or grow
	// times that.
	Median int64 `json:"median,omitempty"`
	Odd    bool  `json:"odd,omitempty"`
	// Fault is the check that found it bad: hash, manifest, stored-size.
	Fault string `json:"fault,omitempty"`
}

// Deletion is a backup that retention will delete, and about when: by the rules,
// if backups go on arriving as expected.
type Deletion struct {
	ID holdfast.ID `json:"id"`
	At time.Time   `json:"at"`
}

// Drill is the last restore drill.
type Drill struct {
	At time.Time `json:"at"`
	OK bool      `json:"ok"`
}

// Failure is a run that failed.
type Failure struct {
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}
