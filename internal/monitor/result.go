package monitor

import (
	"cmp"
	"slices"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// Result is what one run found. Nothing in it is secret.
type Result struct {
	Vault       string             `json:"vault,omitempty"`
	At          time.Time          `json:"at"`          // when the look was taken, UTC
	Jobs        []JobStatus        `json:"jobs"`        // watched ones, by host and job
	Unwatched   []string           `json:"unwatched"`   // host/job that have backups and no policy
	Findings    []holdfast.Finding `json:"findings"`    // worst first
	Transitions []Transition       `json:"transitions"` // worst first
	Checked     Checked            `json:"checked"`
	// Remembered reports whether the state was saved. Where it was not, and
	// the run was not a dry one, the next run may return the same
	// transitions again: rather twice than never.
	Remembered bool `json:"remembered"`
	// Open is all that is wrong in the vault by the state that was saved, also
	// with jobs that the run was not about, and Revision grows with
	// each change of that state: of two results the one with the greater knows more. Where
	// nothing was saved Revision is 0, and Open the findings of this run.
	Open     []holdfast.Finding `json:"-"`
	Revision int64              `json:"-"`
	// Cleaned is the last run of retention that is recorded, nil where none is.
	Cleaned *holdfast.Cleanup `json:"-"`
	// Whole says that the run was about all jobs, Judged that it could judge
	// all that it was about.
	Whole  bool          `json:"-"`
	Judged bool          `json:"-"`
	Took   time.Duration `json:"took_ns"`
}

// Status is how a job is.
type Status string

// Statuses, by the worst finding of a job.
const (
	StatusOK       Status = "ok"
	StatusWarning  Status = Status(holdfast.Warning)
	StatusCritical Status = Status(holdfast.Critical)
)

// JobStatus is how one job is.
type JobStatus struct {
	Host       string  `json:"host"`
	Job        string  `json:"job"`
	Status     Status  `json:"status"`
	Newest     *Newest `json:"newest,omitempty"` // good backup; nil where there is none
	Count      int     `json:"count"`            // good backups
	Total      int64   `json:"total"`            // bytes of all that lies under the job
	Unfinished int     `json:"unfinished"`       // backups without a manifest
	// Usual is the size that backups of the job usually have, in bytes; 0
	// where nothing is usual yet.
	Usual    int64     `json:"usual,omitempty"`
	Failures []Failure `json:"failures,omitempty"` // the newest failed runs, newest first, at most 5
	Drill    *Drill    `json:"drill,omitempty"`    // the last restore drill; nil where none was reported
}

// Failure is a failed run that a host reported.
type Failure struct {
	ID     holdfast.ID `json:"id"` // of the report
	Reason string      `json:"reason"`
}

// Drill is a restore drill that was reported.
type Drill struct {
	ID holdfast.ID `json:"id"` // of the report
	OK bool        `json:"ok"`
}

// Newest is the newest good backup of a job.
type Newest struct {
	ID         holdfast.ID `json:"id"`
	AgeSeconds int64       `json:"age_seconds"`
	Size       int64       `json:"size"`                 // stored, bytes, data objects
	PlainSize  int64       `json:"plain_size,omitempty"` // bytes, as the host says; 0 while unread
	Adopted    bool        `json:"adopted,omitempty"`    // something else has made it: it is there, and nothing proves more
}

// Change is how a finding stands against the last run.
type Change string

// Changes. A finding is opened once and resolved once; in between it is still
// there, and worsened in the run in which it turns from a warning to critical.
const (
	Opened   Change = "opened"
	Still    Change = "still"
	Worsened Change = "worsened"
	Resolved Change = "resolved"
)

// Transition is one finding and how it changed.
type Transition struct {
	Change  Change           `json:"change"`
	At      time.Time        `json:"at"`      // when that was noticed, UTC
	Finding holdfast.Finding `json:"finding"` // of a resolved one: as it was last; Since is when it opened
}

// Checked counts what a run did.
type Checked struct {
	Jobs          int   `json:"jobs"`           // watched ones
	Backups       int   `json:"backups"`        // listed, of watched jobs
	Reports       int   `json:"reports"`        // listed
	Manifests     int   `json:"manifests"`      // opened
	ManifestsLeft int   `json:"manifests_left"` // that the budget left for the next run
	ReportsRead   int   `json:"reports_read"`
	BytesReread   int64 `json:"bytes_reread"`
	BackupsReread int   `json:"backups_reread"` // wholly, in this run
}

// Worst returns the worst severity among the findings, "" where there is none.
func (r Result) Worst() holdfast.Severity {
	if len(r.Findings) == 0 {
		return ""
	}
	return r.Findings[0].Severity
}

func rank(s holdfast.Severity) int {
	if s == holdfast.Critical {
		return 0
	}
	return 1
}

func worstFirst(a, b holdfast.Finding) int {
	return cmp.Or(
		cmp.Compare(rank(a.Severity), rank(b.Severity)),
		cmp.Compare(a.Host, b.Host), cmp.Compare(a.Job, b.Job), cmp.Compare(a.Check, b.Check))
}

// sum makes the result of what came of the look.
func (r *run) sum(outcome outcome) Result {
	result := Result{
		Vault: r.opts.VaultName, At: r.look.at, Jobs: []JobStatus{}, Unwatched: r.look.unwatched,
		Findings: outcome.findings, Transitions: outcome.transitions, Remembered: outcome.saved,
		Open: slices.Clone(outcome.findings), Whole: r.sawAll(), Judged: r.look.judged, Cleaned: r.look.cleaned,
	}
	if outcome.saved {
		result.Open, result.Revision = outcome.open, outcome.revision
	}
	slices.SortFunc(result.Findings, worstFirst)
	slices.SortFunc(result.Transitions, func(a, b Transition) int { return worstFirst(a.Finding, b.Finding) })
	slices.Sort(result.Unwatched)

	status := map[holdfast.JobName]Status{}
	for _, f := range slices.Backward(result.Findings) { // the worst last, so that it stays
		status[holdfast.JobName{Host: f.Host, Job: f.Job}] = Status(f.Severity)
	}
	for _, v := range r.look.views {
		if !v.forgotten {
			s := v.status(r.look.at)
			s.Status = cmp.Or(status[v.name], StatusOK)
			result.Jobs = append(result.Jobs, s)
		}
	}
	slices.SortFunc(result.Jobs, func(a, b JobStatus) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Job, b.Job))
	})
	r.count.Jobs = len(result.Jobs)
	result.Checked = r.count
	return result
}
