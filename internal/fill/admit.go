package fill

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/catalog"
)

// admitted returns those of a job's lacking backups that a broker could have let in.
// Where hosts write to the source by themselves, nothing but this stands between them
// and a vault that they cannot reach. What is refused is in the result.
//
// Of more than the host may send in a day, what the target has already comes first and
// then the oldest, as if they had come in the order of their names.
func (c *copier) admitted(ctx context.Context, job catalog.Job, lacking []holdfast.Backup, there map[holdfast.ID]holdfast.Backup, result *Result) []holdfast.Backup {
	if c.HostQuota == nil {
		return lacking
	}
	quota, refusal := c.HostQuota(job.Host, job.Name)
	perDay := map[string]int{}
	for id := range there {
		perDay[holdfast.DayPrefix(id.Time())]++
	}
	var admitted []holdfast.Backup
	refuse := func(b holdfast.Backup, reason string) {
		result.Refused = append(result.Refused, Left{b.Ref, []string{reason}})
	}
	for _, b := range slices.Backward(lacking) {
		if refusal != "" {
			refuse(b, refusal)
			continue
		}
		if b.Future(c.Now()) {
			refuse(b, "bears a time that has not come yet")
			continue
		}
		b, err := c.named(ctx, b)
		if err != nil { // it must not take another's place, here or in retention's plan
			result.Failed = append(result.Failed, Failed{b.Ref, err.Error()})
			c.Done(Copied{Ref: b.Ref}, err)
			continue
		}
		day := holdfast.DayPrefix(b.Time())
		_, counted := there[b.ID]
		switch reason := oversized(quota, b.Size()); {
		case reason != "":
			refuse(b, reason)
		case !counted && perDay[day] >= quota.MaxPerDay:
			refuse(b, fmt.Sprintf("%d of %s (UTC) come before it, and max_per_day is %d", perDay[day], b.Time().Format(time.DateOnly), quota.MaxPerDay))
		default:
			if !counted {
				perDay[day]++
			}
			admitted = append(admitted, b)
		}
	}
	slices.Reverse(admitted)
	return admitted
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
