package holdfast

import (
	"strings"
	"time"
)

// Severity says how bad a finding is.
type Severity string

// Severities, the worse ones first.
const (
	Critical Severity = "critical" // backups are missing or would not restore
	Warning  Severity = "warning"  // something should be looked at
)

// Finding is one thing the monitor or retention found wrong. Findings of the
// same Host, Job and Check are the same state going on.
type Finding struct {
	Check    string    `json:"check"` // fresh, size-shrunk, stored-size, …
	Severity Severity  `json:"severity"`
	Host     string    `json:"host,omitempty"`
	Job      string    `json:"job,omitempty"`
	Backup   ID        `json:"backup,omitempty"`   // which it is about, if one
	Summary  string    `json:"summary"`            // what is wrong, in one line
	Expected string    `json:"expected,omitempty"` // "every 24h, 2h grace"
	Actual   string    `json:"actual,omitempty"`   // "31h old"
	Hint     string    `json:"hint,omitempty"`     // what to do next
	Since    time.Time `json:"since,omitzero"`     // when it was first found
	// Cause is the check of the monitor that tells people why, if one does: a brake
	// on deletions that follows from it is no news of its own.
	Cause string `json:"cause,omitempty"`
}

// Subject returns "host/job", or "vault" for a finding about the whole.
func (f Finding) Subject() string {
	if f.Host == "" {
		return "vault"
	}
	return f.Host + "/" + f.Job
}

// Event returns the kind of news that the finding is.
func (f Finding) Event() Event {
	switch {
	case f.Check == CheckFailedRun:
		return BackupFailed
	case strings.HasPrefix(f.Check, CheckRetention):
		return CleanupFailed
	}
	return Unhealthy
}
