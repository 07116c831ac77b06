package fill

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/catalog"
)

// admission decides what of a job is copied. Where hosts write to the source by
// themselves, nothing but this stands between them and a vault that they cannot reach.
type admission struct {
	*copier
	job     catalog.Job
	quota   holdfast.Quota
	refusal string // why the host may send nothing of it
	proven  map[holdfast.ID]bool
	result  *Result // has what is refused, and what fails
}

func (c *copier) admission(job catalog.Job, result *Result) *admission {
	a := &admission{copier: c, job: job, proven: map[holdfast.ID]bool{}, result: result}
	if c.HostQuota != nil {
		a.quota, a.refusal = c.HostQuota(job.Host, job.Name)
	}
	return a
}

func (a *admission) refuse(b holdfast.Backup, reason string) {
	a.result.Refused = append(a.result.Refused, Left{Ref: b.Ref, Reasons: []string{reason}})
}

// admitted returns those of a job's lacking backups that a broker could have let in, as
// far as their names and numbers tell; prove sees to the rest.
//
// Of more than the host may send in a day, what the target has already comes first and
// then the oldest, as if they had come in the order of their names. What cannot be proven
// must not take a place among them, so all of such a day are proven first.
func (a *admission) admitted(ctx context.Context, lacking []holdfast.Backup, there map[holdfast.ID]holdfast.Backup) []holdfast.Backup {
	if a.HostQuota == nil {
		return lacking
	}
	sent, perDay := map[string]int{}, map[string]int{} // that would be there, and are
	for id := range there {
		perDay[holdfast.DayPrefix(id.Time())]++
	}
	maps.Copy(sent, perDay)
	var allowed []holdfast.Backup
	for _, b := range lacking {
		switch {
		case a.refusal != "":
			a.refuse(b, a.refusal)
		case b.Future(a.Now()):
			a.refuse(b, "bears a time that has not come yet")
		default:
			allowed = append(allowed, b)
			if _, counted := there[b.ID]; !counted {
				sent[holdfast.DayPrefix(b.Time())]++
			}
		}
	}
	allowed, _ = a.prove(ctx, allowed, func(b holdfast.Backup) bool { return sent[holdfast.DayPrefix(b.Time())] > a.quota.MaxPerDay })
	var admitted []holdfast.Backup
	for _, b := range slices.Backward(allowed) {
		day := holdfast.DayPrefix(b.Time())
		if _, counted := there[b.ID]; !counted {
			if perDay[day] >= a.quota.MaxPerDay {
				a.refuse(b, fmt.Sprintf("%d of %s (UTC) come before it, and max_per_day is %d", perDay[day], b.Time().Format(time.DateOnly), a.quota.MaxPerDay))
				continue
			}
			perDay[day]++
		}
		admitted = append(admitted, b)
	}
	slices.Reverse(admitted)
	return admitted
}

// prove reads, of a doubted source, the manifests of those that which says, each once. It
// returns the backups with what their manifests name, without those that fail or are
// too large, and whether it has looked at any.
func (a *admission) prove(ctx context.Context, backups []holdfast.Backup, which func(holdfast.Backup) bool) (rest []holdfast.Backup, looked bool) {
	if a.HostQuota == nil {
		return backups, false
	}
	for _, b := range backups {
		if a.proven[b.ID] || !which(b) {
			rest = append(rest, b)
			continue
		}
		b, err := a.named(ctx, b)
		if ctx.Err() != nil {
			return nil, false // it is the copy that ends, not a backup that fails
		}
		looked = true
		if err != nil {
			a.result.Failed = append(a.result.Failed, Failed{b.Ref, err.Error()})
			a.Done(Copied{Ref: b.Ref}, err)
			continue
		}
		if reason := oversized(a.quota, b.Size()); reason != "" {
			a.refuse(b, reason)
			continue
		}
		a.proven[b.ID] = true
		rest = append(rest, b)
	}
	return rest, looked
}

// checkQuota is for a manifest that has changed since it was admitted.
func (c *copier) checkQuota(ref holdfast.Ref, size int64) error {
	if c.HostQuota == nil {
		return nil
	}
	quota, reason := c.HostQuota(ref.Host, ref.Job)
	if reason == "" {
		reason = oversized(quota, size)
	}
	if reason != "" {
		return fmt.Errorf("backup %s: %s", ref, reason)
	}
	return nil
}

// oversized says that so many bytes, of data and manifest, are too many; "" where they
// are not.
func oversized(q holdfast.Quota, size int64) string {
	if size <= int64(q.MaxSize) {
		return ""
	}
	return fmt.Sprintf("has %s with its manifest, and max_size is %s", holdfast.Size(size), q.MaxSize)
}
