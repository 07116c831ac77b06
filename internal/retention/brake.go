package retention

import (
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// The checks of retention's findings.
const (
	CheckBrake  = "retention-brake"  // a run refused to delete
	CheckPolicy = "retention-policy" // a job has no policy and keeps everything
	CheckDelete = "retention-delete" // a deletion failed
	CheckStray  = "retention-stray"  // objects that belong to no backup
	CheckSweep  = "retention-sweep"  // removing an orphan, an upload or an old report failed
)

// brakeMedian is how many good backups before the newest make up the median
// that it is measured against.
const brakeMedian = 15

// Brake looks at a plan of one job before it is applied and returns why it must
// not be, or nil. decisions are Plan's. A plan that deletes nothing is never
// refused. The others are while
//
//   - the job's newest good backup is stale: nothing new arrives to take the
//     place of what goes, as with a dead job all of whose rules have run out;
//   - the newest is anomalously small, below expect.MinSize or below
//     expect.Shrink times the median of up to 15 good ones before it: dumps may
//     have been empty for days, and the good ones are those about to go;
//   - more than half of the job's good backups would go at once.
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
func Brake(decisions []Decision, expect holdfast.Expect, now time.Time) *holdfast.Finding {
	var good []Decision // newest first
	deletions := 0
	for _, d := range decisions {
		if d.Good {
			good = append(good, d)
		}
		if !d.Keep {
			deletions++
		}
	}
	if deletions == 0 || len(good) == 0 {
		return nil
	}
	f := stale(good[0], expect, now)
	if f == nil {
		f = small(good, expect)
	}
	if f == nil && 2*deletions > len(good) {
		f = &holdfast.Finding{
			Summary:  fmt.Sprintf("refused to delete %d of %d good backups at once", deletions, len(good)),
			Expected: "at most half in one run",
			Actual:   fmt.Sprintf("%d of %d", deletions, len(good)),
		}
	}
	if f == nil {
		return nil
	}
	f.Check, f.Severity, f.Host, f.Job = CheckBrake, holdfast.Warning, good[0].Host, good[0].Job
	f.Hint = fmt.Sprintf("look at what would go with `holdfast clean --dry-run`; if that is right, "+
		"`holdfast clean --force` deletes it (%d backups)", deletions)
	return f
}

// stale refuses to thin out what nothing is being added to.
func stale(newest Decision, expect holdfast.Expect, now time.Time) *holdfast.Finding {
	if expect.Every.IsZero() || !now.After(expect.Deadline(newest.Time)) {
		return nil
	}
	return &holdfast.Finding{
		Backup:   newest.ID,
		Summary:  "refused to delete anything while the newest good backup is stale",
		Expected: fmt.Sprintf("every %v, %v grace", expect.Every, expect.Grace),
		Actual:   fmt.Sprintf("%v old", now.Sub(newest.Time).Round(time.Minute)),
	}
}

// small refuses to thin out in favour of a newest backup that looks empty.
func small(good []Decision, expect holdfast.Expect) *holdfast.Finding {
	newest := good[0]
	f := &holdfast.Finding{
		Backup:  newest.ID,
		Summary: "refused to delete anything while the newest good backup is anomalously small",
		Actual:  holdfast.Size(newest.DataSize).String(),
	}
	if newest.DataSize < int64(expect.MinSize) {
		f.Expected = fmt.Sprintf("at least %v", expect.MinSize)
		return f
	}
	before := good[1:min(len(good), 1+brakeMedian)]
	if len(before) == 0 || expect.Shrink <= 0 {
		return nil
	}
	usual := median(before)
	if float64(newest.DataSize) >= expect.Shrink*usual {
		return nil
	}
	f.Expected = fmt.Sprintf("at least %v of the median of %v", expect.Shrink, holdfast.Size(usual))
	return f
}

// median returns the median data size of at least one backup, in bytes.
func median(backups []Decision) float64 {
	sizes := make([]int64, len(backups))
	for i, b := range backups {
		sizes[i] = b.DataSize
	}
	slices.Sort(sizes)
	half := len(sizes) / 2
	if len(sizes)%2 == 1 {
		return float64(sizes[half])
	}
	return float64(sizes[half-1])/2 + float64(sizes[half])/2
}
