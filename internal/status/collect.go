package status

import (
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/catalog"
	"github.com/holdfast-backup/holdfast/internal/retention"
)

// Policies returns what is asked of a job; false for one that is not watched.
type Policies func(host, job string) (holdfast.Policy, bool)

// Collector takes in a vault job by job, while the monitor lists it, and keeps of
// each what is shown: its memory grows with the jobs, and not with how many
// backups they have. It is not safe for concurrent use.
type Collector struct {
	vault    string
	policies Policies
	now      time.Time
	jobs     map[holdfast.JobName]*Job
	reasons  map[string][]string // of backups, each combination once
}

// NewCollector begins with an empty vault, as seen at the time now.
func NewCollector(vault string, policies Policies, now time.Time) *Collector {
	return &Collector{
		vault: vault, policies: policies, now: now.UTC(),
		jobs: map[holdfast.JobName]*Job{}, reasons: map[string][]string{},
	}
}

// Observe takes in a job as the listing shows it. One that is not watched, or
// that is only strays, is left out.
func (c *Collector) Observe(job catalog.Job) {
	policy, watched := c.policies(job.Host, job.Name)
	if job.Host == "" || !watched {
		return
	}
	j := &Job{Host: job.Host, Job: job.Name}
	for _, o := range job.Stray {
		j.Stored += o.Size
	}
	decisions := retention.Plan(policy.Keep, job.Backups, c.now)
	for i := len(decisions) - 1; i >= 0; i-- { // oldest first
		d, b := decisions[i], job.Backups[i]
		j.Stored += d.Size
		if !d.Good {
			continue
		}
		shown := Backup{ID: d.ID, Size: d.DataSize, Seconds: seconds(b)}
		if d.Keep {
			shown.Kept = c.short(d.Reasons)
		}
		j.Backups = append(j.Backups, shown)
	}
	j.Adopted = adopted(decisions)
	compare(j.Backups, policy.Expect)
	j.Backups = thin(j.Backups)
	j.Next = forecast(policy, job.Backups, decisions, c.now)
	c.jobs[holdfast.JobName{Host: job.Host, Job: job.Name}] = j
}

// adopted says what holds of a job whose newest good backup is adopted; decisions
// are newest first.
func adopted(decisions []retention.Decision) string {
	for _, d := range decisions {
		switch {
		case !d.Good:
			continue
		case d.Adopted == nil:
			return ""
		case d.Watched():
			return "not verified; what retention would delete is only planned"
		}
		return "not verified"
	}
	return ""
}

// maxSeconds is the longest that a backup can sensibly have taken: the sweep
// removes older uploads.
const maxSeconds = int64(7 * 24 * time.Hour / time.Second)

// seconds returns how long the vault waited for the backup, 0 if that is absurd:
// copying a vault to another place gives its objects new times.
func seconds(b holdfast.Backup) int64 {
	if b.Manifest.ModTime.IsZero() {
		return 0
	}
	s := int64(b.Manifest.ModTime.Sub(b.Time()) / time.Second)
	if s < 0 || s > maxSeconds {
		return 0
	}
	return s
}

// Of each job at most so many backups are shown: the newest ones, and of the
// older ones as many as there is room for, evenly.
const (
	maxShown    = 200
	shownNewest = 120
)

// thin returns at most maxShown of the backups, oldest first, in memory of its own.
func thin(backups []Backup) []Backup {
	n := len(backups)
	if n <= maxShown {
		return append([]Backup{}, backups...)
	}
	older, room := backups[:n-shownNewest], maxShown-shownNewest
	shown := make([]Backup, 0, maxShown)
	for i := range room {
		shown = append(shown, older[i*len(older)/room])
	}
	return append(shown, backups[n-shownNewest:]...)
}

// short returns the reasons of a decision without what its date says anyway.
func (c *Collector) short(reasons []string) []string {
	short := make([]string, len(reasons))
	for i, reason := range reasons {
		short[i] = shortReason(reason)
	}
	key := strings.Join(short, ",")
	if known, ok := c.reasons[key]; ok {
		return known
	}
	c.reasons[key] = short
	return short
}

func shortReason(reason string) string {
	switch rest, isFloor := strings.CutSuffix(reason, " good backups stay"); {
	case isFloor:
		return rest
	case strings.HasPrefix(reason, "oldest, "):
		return "oldest"
	case reason == "everything is kept":
		return "all"
	}
	switch rule, _, _ := strings.Cut(reason, " "); rule {
	case "hourly", "daily", "weekly", "monthly", "yearly":
		return rule
	}
	return reason
}
