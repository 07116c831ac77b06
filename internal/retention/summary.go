package retention

import (
	"time"

	"github.com/holdfast-backup/holdfast"
)

// Options are what one run is asked to do.
type Options struct {
	Now    time.Time // of this run; required
	DryRun bool      // decide and report, delete nothing
	Force  bool      // delete also where a brake refuses
	// KeepLast, if above zero, takes the place of the rules of every policy:
	// the newest so many good backups stay. MinKeep, MaxTotal and holds stand.
	KeepLast    int
	Only        func(host, job string) bool // nil: all jobs
	Concurrency int                         // requests at a time; default 8
	// HostNamed says that hosts write to the vault by themselves, so that nobody
	// vouches for the times that backups bear.
	HostNamed bool
	// Planned, if set, is called with the decisions about each job, newest
	// backup first, before anything of it is deleted. It must not keep them.
	Planned func(host, job string, decisions []Decision)
}

const defaultConcurrency = 8

// Policies returns what to keep and to expect of a job; false if nobody said.
type Policies func(host, job string) (holdfast.Keep, holdfast.Expect, bool)

// Summary is what a run did, or would do in a dry run.
type Summary struct {
	Time     time.Time          `json:"time"` // Options.Now
	DryRun   bool               `json:"dry_run,omitempty"`
	Jobs     []JobResult        `json:"jobs"` // in the order of the vault
	Swept    Swept              `json:"swept"`
	Findings []holdfast.Finding `json:"findings"`
}

// JobResult is what a run did to one job of one host.
type JobResult struct {
	Host      string     `json:"host"`
	Job       string     `json:"job"`
	Good      int        `json:"good"`              // good backups there were
	Kept      int        `json:"kept"`              // backups that stay, also those not good; in a dry run that would
	KeptBytes int64      `json:"kept_bytes"`        // what they occupy
	Delete    []Decision `json:"delete,omitempty"`  // what the plan gives up, newest first
	Watched   int        `json:"watched,omitempty"` // of those, adopted ones that stay all the same
	Braked    bool       `json:"braked,omitempty"`  // the plan was refused; a finding says why
	Outcome   Outcome    `json:"outcome"`           // of applying it
}
