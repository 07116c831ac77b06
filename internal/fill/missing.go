package fill

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/catalog"
	"github.com/holdfast-backup/holdfast/internal/retention"
)

// missing returns the backups of from that to lacks and would keep, and notes in
// the result what it does not lack and would not keep. Both vaults are listed side
// by side, one job at a time.
func (o Options) missing(ctx context.Context, from, to holdfast.Lister, result *Result) ([]holdfast.Backup, error) {
	next, stop := iter.Pull2(catalog.Jobs(ctx, to, holdfast.BackupsPrefix))
	defer stop()
	there, err, more := next()
	var missing []holdfast.Backup
	for here, listed := range catalog.Jobs(ctx, from, holdfast.BackupsPrefix) {
		if listed != nil {
			return nil, fmt.Errorf("source: %w", listed)
		}
		if here.Name == "" || !o.Jobs(here.Host, here.Name) {
			continue
		}
		for more && err == nil && before(there, here) {
			there, err, more = next()
		}
		if err != nil {
			return nil, fmt.Errorf("target: %w", err)
		}
		var present []holdfast.Backup
		if more && there.Host == here.Host && there.Name == here.Name {
			present = there.Backups
		}
		missing = append(missing, o.lacking(here, present, result)...)
	}
	return missing, nil
}

// before reports whether a listing has the job a before b.
func before(a, b catalog.Job) bool {
	return holdfast.JobPrefix(a.Host, a.Name) < holdfast.JobPrefix(b.Host, b.Name)
}

// lacking returns what of a job is to be copied to where present is.
func (o Options) lacking(job catalog.Job, present []holdfast.Backup, result *Result) []holdfast.Backup {
	there := map[holdfast.ID]holdfast.Backup{}
	for _, b := range present {
		if b.Committed {
			there[b.ID] = b
		}
	}
	var lacking []holdfast.Backup
	for _, b := range job.Backups {
		in, committed := there[b.ID]
		switch {
		case !b.Committed:
		case b.Adopted() != nil:
			result.Adopted++
		case committed && holds(in, b):
			result.Present++
		default:
			b.Held = b.Held || in.Held
			lacking = append(lacking, b)
			delete(there, b.ID) // that there is a manifest of it does not make it two
		}
	}
	all := slices.Collect(maps.Values(there))
	keep, ok := o.Keep(job.Host, job.Name)
	if !ok {
		return lacking
	}
	doomed := map[holdfast.ID][]string{}
	for _, d := range retention.Plan(keep, append(all, lacking...), o.Now()) {
		if !d.Keep {
			doomed[d.ID] = d.Reasons
		}
	}
	var wanted []holdfast.Backup
	for _, b := range lacking {
		if reasons, goes := doomed[b.ID]; goes {
			result.Left = append(result.Left, Left{b.Ref, reasons})
			continue
		}
		wanted = append(wanted, b)
	}
	return wanted
}

// holds reports whether a backup in the target has all the data objects of the
// source's, as far as listings tell: a manifest alone restores nothing.
func holds(there, here holdfast.Backup) bool {
	sizes := map[string]int64{}
	for _, o := range there.Data {
		sizes[o.Key] = o.Size
	}
	for _, o := range here.Data {
		if size, ok := sizes[o.Key]; !ok || size != o.Size {
			return false
		}
	}
	return true
}
