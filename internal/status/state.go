package status

import (
	"slices"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// States of a job.
const (
	OK       = "ok"
	Warning  = string(holdfast.Warning)
	Critical = string(holdfast.Critical)
)

// stateOf returns the state that findings, the worst first, make of a job, and
// since when the oldest of the worst ones has been there. A finding of another
// severity, one that is switched off, is shown and changes nothing.
func stateOf(findings []holdfast.Finding) (state string, since time.Time) {
	state = OK
	for _, f := range findings {
		severity := string(f.Severity)
		if severity != Critical && severity != Warning || state == Critical && severity != Critical {
			continue
		}
		if state != severity || !f.Since.IsZero() && f.Since.Before(since) {
			state, since = severity, f.Since
		}
	}
	return state, since
}

func worstFirst(a, b holdfast.Finding) int {
	return rank(string(a.Severity)) - rank(string(b.Severity))
}

// rank orders states and severities, the worst first.
func rank(state string) int {
	return slices.Index([]string{OK, Warning, Critical}, state) * -1
}

func silenced(silences []Silence, name holdfast.JobName, at time.Time) (until time.Time) {
	for _, s := range silences {
		if (s.Host == "*" || s.Host == name.Host) && (s.Job == "*" || s.Job == name.Job) && s.Until.After(at) && s.Until.After(until) {
			until = s.Until
		}
	}
	return until
}
