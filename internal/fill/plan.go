package fill

import (
	"context"
	"maps"
	"slices"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/retention"
)

// wanted returns those of the admitted backups that retention would keep in the target,
// beside what is there.
//
// In a doubted source a listing says what the host likes, so nothing takes a place by
// it: what the plan gives a place is proven, and with what that changes there is another
// plan, until it has nothing new. What retention would drop anyway is not read: else a
// year of hourly backups would be, each night.
func (a *admission) wanted(ctx context.Context, lacking []holdfast.Backup, there map[holdfast.ID]holdfast.Backup) []holdfast.Backup {
	unheld := map[holdfast.ID]bool{}
	for i, b := range lacking {
		in := there[b.ID]
		unheld[b.ID] = a.HostQuota != nil && b.Held && !in.Held
		lacking[i].Held = b.Held && a.HostQuota == nil || in.Held
	}
	doomed := a.doomed(lacking, there)
	for {
		rest, looked := a.prove(ctx, lacking, func(b holdfast.Backup) bool {
			d, goes := doomed[b.ID]
			return !goes || d.OverTotal // else it had a place, and gave it up for its size
		})
		if !looked {
			break
		}
		lacking = rest
		doomed = a.doomed(lacking, there)
	}
	if ctx.Err() != nil {
		return nil
	}
	var wanted []holdfast.Backup
	for _, b := range lacking {
		d, goes := doomed[b.ID]
		switch {
		case goes && unheld[b.ID]:
			a.result.Refused = append(a.result.Refused, Left{Ref: b.Ref, Held: true, Reasons: append([]string{
				"held in the source, where a host may have made the mark, and retention would delete it in the target",
			}, d.Reasons...)})
		case goes:
			a.result.Left = append(a.result.Left, Left{Ref: b.Ref, Reasons: d.Reasons})
		default:
			if wanted = append(wanted, b); unheld[b.ID] {
				a.result.Unheld = append(a.result.Unheld, b.Ref)
			}
		}
	}
	return wanted
}

// doomed returns what retention would delete at once if all of lacking were in the
// target, beside what is there.
func (a *admission) doomed(lacking []holdfast.Backup, there map[holdfast.ID]holdfast.Backup) map[holdfast.ID]retention.Decision {
	keep, ok := a.Keep(a.job.Host, a.job.Name)
	if !ok {
		return nil
	}
	all := maps.Clone(there)
	for _, b := range lacking {
		all[b.ID] = b // that there is a manifest of it does not make it two
	}
	doomed := map[holdfast.ID]retention.Decision{}
	for _, d := range retention.Plan(keep, slices.Collect(maps.Values(all)), a.Now()) {
		if !d.Keep {
			doomed[d.ID] = d
		}
	}
	return doomed
}
