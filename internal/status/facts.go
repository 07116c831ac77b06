package status

import (
	"cmp"
	"slices"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// Facts is what the monitor and those who tell people say of a vault.
type Facts struct {
	At        time.Time // when the look was taken
	Reachable bool      // the vault could be judged
	// Whole says that the run was about all jobs. Otherwise, and where the
	// vault could not be judged, those that Jobs lacks stay as Previous has them.
	Whole     bool
	Findings  []holdfast.Finding // open ones, of the vault and of its jobs
	Jobs      []JobFacts         // watched ones that the run was about
	Unwatched []string           // host/job
	Silences  []Silence
	Channels  []Channel
	Cleaned   Cleaned
	Price     Price
	// Previous is the vault as the last status has it, for what it held
	// earlier; nil where there is none.
	Previous *Vault
}

// JobFacts is what the monitor says of a job.
type JobFacts struct {
	holdfast.JobName
	Last     holdfast.ID // the newest good backup, "" where there is none
	Size     int64       // of it, stored, bytes
	Usual    int64       // median size, bytes, 0 where nothing is usual yet
	Count    int         // good backups
	Drill    *Drill
	Failures []Failure // recent ones, newest first
}

// Silence keeps a job, or all jobs of a host, from being told of. A name may be * for all.
type Silence struct {
	Host, Job string
	Until     time.Time
}

// Price is what a gigabyte (10⁹ bytes) costs in a month; none is known where
// Currency is empty.
type Price struct {
	PerGB    float64
	Currency string
}

// Vault returns the state of the vault, of what was observed and the facts.
func (c *Collector) Vault(f Facts) Vault {
	v := Vault{
		Name: c.vault, At: f.At.UTC(), Reachable: f.Reachable, Findings: []holdfast.Finding{}, Jobs: []Job{},
		Unwatched: append([]string{}, f.Unwatched...), Cleaned: f.Cleaned, Channels: append([]Channel{}, f.Channels...),
	}
	previous := Vault{}
	if f.Previous != nil {
		previous = *f.Previous
	}
	jobs := map[holdfast.JobName]Job{}
	if !f.Whole || !f.Reachable {
		for _, j := range previous.Jobs {
			jobs[holdfast.JobName{Host: j.Host, Job: j.Job}] = j
		}
		v.Unwatched = append([]string{}, previous.Unwatched...)
		v.At = cmp.Or(previous.At, v.At)
	}
	findings := map[holdfast.JobName][]holdfast.Finding{}
	for _, finding := range f.Findings {
		name := holdfast.JobName{Host: finding.Host, Job: finding.Job}
		findings[name] = append(findings[name], finding)
	}
	v.Findings = append(v.Findings, findings[holdfast.JobName{}]...)
	slices.SortStableFunc(v.Findings, worstFirst)
	for _, facts := range f.Jobs {
		jobs[facts.JobName] = c.job(facts, findings[facts.JobName])
	}
	for name, j := range jobs {
		j.Silenced = silenced(f.Silences, name, f.At)
		v.Jobs = append(v.Jobs, j)
		v.Stored += j.Stored
	}
	slices.SortFunc(v.Jobs, func(a, b Job) int { return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Job, b.Job)) })
	v.Past = past(previous.Past, Total{f.At.UTC(), v.Stored}, f.Reachable)
	v.Growth = growth(v.Past, v.Stored, f.At)
	v.Cost = cost(f.Price, v.Stored, v.Growth)
	return v
}

// job joins what was observed of a job with what the monitor says of it.
func (c *Collector) job(facts JobFacts, findings []holdfast.Finding) Job {
	j := Job{Host: facts.Host, Job: facts.Job}
	if observed := c.jobs[facts.JobName]; observed != nil {
		j = *observed
	}
	policy, _ := c.policies(facts.Host, facts.Job)
	j.Backups = append([]Backup{}, j.Backups...)
	j.Findings = append([]holdfast.Finding{}, findings...)
	slices.SortStableFunc(j.Findings, worstFirst)
	fault(j.Backups, j.Findings)
	j.State, j.Since = stateOf(j.Findings)
	j.Usual, j.Count, j.Drill = facts.Usual, facts.Count, facts.Drill
	j.Failures = append([]Failure{}, facts.Failures...)
	j.Shrink, j.Grow, j.Keep = policy.Expect.Shrink, policy.Expect.Grow, keepWords(policy.Keep)
	if j.Adopted != "" {
		j.Keep += "; adopted, " + j.Adopted
	}
	if !policy.Expect.Every.IsZero() {
		j.Every = policy.Expect.Every.String()
		if !policy.Expect.Grace.IsZero() {
			j.Grace = policy.Expect.Grace.String()
		}
	}
	if facts.Last != "" {
		last := Backup{ID: facts.Last, Size: facts.Size}
		if i := slices.IndexFunc(j.Backups, func(b Backup) bool { return b.ID == facts.Last }); i >= 0 {
			last = j.Backups[i]
		}
		j.Last = &last
		if j.Every != "" {
			j.Due = policy.Expect.Deadline(last.ID.Time())
		}
	}
	return j
}
