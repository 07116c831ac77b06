package retention

import (
	"fmt"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/catalog"
)

// Brake looks at a plan of one job before it is applied and returns why it must
// not be, or nil. It is pure, and remembers nothing of earlier runs: what it must
// know of the last day it reads from the times in the ids. decisions are Plan's
// for keep. A plan that deletes nothing is never refused. The others are while
//
//   - the job's newest good backup is stale: nothing new arrives to take the
//     place of what goes, as with a dead job all of whose rules have run out;
//   - the newest is anomalously small, below expect.MinSize or with a file below
//     expect.Shrink times its usual size, or has lacked a usual file for longer
//     than expected: dumps may have been empty for days, and the good ones are
//     those about to go;
//   - max_total would delete, and one of the newest is more than expect.Grow times
//     as large as usual: one huge backup could drive all others out;
//   - max_total, last or hourly would delete, and far more backups have arrived
//     lately than expect.Every says, or what has arrived lately would be most of
//     what is left. These rules give up a backup for each that arrives, so whoever
//     may push decides how much goes; in this way no number of runs takes more
//     than about half of what was there a day before (see flood);
//   - more than half of the job's good backups would go at once;
//   - a backup for whose time nobody vouches bears an older one than it arrived with
//     (see backdated).
//
// What may only be watched does not go, whatever the plan says of it. Sizes are held
// against those of backups that were made in the same way as the newest, by Holdfast
// or by something else.
//
// The last compares one run with what is there, so a policy in steady state,
// which gives up about one backup for each that arrives, never meets it, whatever
// the job's age: one of two is half and not more. It is met where a policy is
// applied for the first time to a long history, where it was cut sharply, and
// where retention did not run for long; then a person looks at a dry run and
// forces one run. It spares no job for being small, because two of three are
// most of what there is.
//
// What a lock of the vault protects counts as deleted, since a listing does not
// show locks: a policy that keeps less than the lock does can meet the brake in
// every run, and should keep as long as the lock.
func Brake(decisions []Decision, keep holdfast.Keep, expect holdfast.Expect, now time.Time) *holdfast.Finding {
	c := braking{keep: keep, expect: expect, now: now}
	for _, d := range decisions {
		if d.Good {
			c.good = append(c.good, d)
		}
		if !d.Keep && !d.Watched() {
			c.deletions++
			c.overTotal = c.overTotal || d.OverTotal
			c.byCount = c.byCount || !d.OverTotal && keep.Form == holdfast.Counts && keep.Counts.Last+keep.Counts.Hourly > 0
		}
	}
	if c.deletions == 0 || len(c.good) == 0 {
		return nil
	}
	var history catalog.History
	for _, d := range c.good {
		if (d.Adopted == nil) == (c.good[0].Adopted == nil) {
			history.Add(d.Time, d.Data)
		}
	}
	c.usual = history.Before(c.good[0].Time)
	for _, refuse := range []func(*braking) *holdfast.Finding{
		(*braking).stale, (*braking).small, (*braking).large, (*braking).flood, (*braking).most, (*braking).backdated,
	} {
		f := refuse(&c)
		if f == nil {
			continue
		}
		f.Check, f.Severity, f.Host, f.Job = holdfast.CheckRetentionBrake, holdfast.Warning, c.good[0].Host, c.good[0].Job
		f.Hint = fmt.Sprintf("look at what would go with `holdfast clean --dry-run`; if that is right, "+
			"`holdfast clean --force` deletes it (%d backups)%s", c.deletions, f.Hint)
		return f
	}
	return nil
}

// braking is one Brake under way.
type braking struct {
	keep      holdfast.Keep
	expect    holdfast.Expect
	now       time.Time
	good      []Decision // newest first
	deletions int
	overTotal bool // max_total deletes some
	byCount   bool // a rule deletes some that has a place for so many arrivals
	usual     catalog.Usual
}

// stale refuses to thin out what nothing is being added to.
func (c *braking) stale() *holdfast.Finding {
	newest := c.good[0]
	if c.expect.Every.IsZero() || !c.now.After(c.expect.Deadline(newest.Time)) {
		return nil
	}
	return &holdfast.Finding{
		Backup:   newest.ID,
		Cause:    holdfast.CheckFresh,
		Summary:  "refused to delete anything while the newest good backup is stale",
		Expected: fmt.Sprintf("every %v, %v grace", c.expect.Every, c.expect.Grace),
		Actual:   fmt.Sprintf("%v old", c.now.Sub(newest.Time).Round(time.Minute)),
	}
}

// most refuses to delete most of what there is. Backups that came on top of what
// is expected do not count as there, or a flood would hide what goes.
func (c *braking) most() *holdfast.Finding {
	there := len(c.good)
	if _, expected, recent := c.lately(); expected > 0 {
		there -= max(0, len(recent)-expected-1)
	}
	if 2*c.deletions <= there {
		return nil
	}
	return &holdfast.Finding{
		Summary:  fmt.Sprintf("refused to delete %d of %d good backups at once", c.deletions, len(c.good)),
		Expected: "at most half in one run",
		Actual:   fmt.Sprintf("%d of %d", c.deletions, len(c.good)),
	}
}
