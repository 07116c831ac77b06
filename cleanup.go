package holdfast

import "time"

// CleanupKey is where the last run of retention is recorded.
const CleanupKey = StatePrefix + "retention.json"

// Cleanup records what a run of retention over a whole vault did and found, so
// that the monitor tells people of it, and of its silence.
type Cleanup struct {
	Version  int       `json:"version"` // CleanupVersion
	At       time.Time `json:"at"`      // UTC
	Deleted  int       `json:"deleted"` // backups
	Freed    int64     `json:"freed"`   // bytes, with leftovers
	Error    string    `json:"error,omitempty"`
	Findings []Finding `json:"findings"` // at most MaxCleanupFindings
}

// CleanupVersion is the version of the document; MaxCleanupFindings, how many
// findings it holds at most.
const (
	CleanupVersion     = 1
	MaxCleanupFindings = 1000
)
