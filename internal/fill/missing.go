package fill

import (
	"context"
	"fmt"
	"iter"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/catalog"
	"github.com/holdfast-backup/holdfast/internal/restore"
)

// missing returns the backups of the source that the target lacks and would keep, and notes in
// the result what it does not lack and would not keep. Both vaults are listed side
// by side, one job at a time.
func (c *copier) missing(ctx context.Context, result *Result) ([]holdfast.Backup, error) {
	next, stop := iter.Pull2(catalog.Jobs(ctx, c.to, holdfast.BackupsPrefix))
	defer stop()
	there, err, more := next()
	var missing []holdfast.Backup
	for here, listed := range catalog.Jobs(ctx, c.from, holdfast.BackupsPrefix) {
		if listed != nil {
			return nil, fmt.Errorf("source: %w", listed)
		}
		if here.Name == "" || !c.Jobs(here.Host, here.Name) {
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
		missing = append(missing, c.lacking(ctx, here, present, result)...)
	}
	return missing, nil
}

// before reports whether a listing has the job a before b.
func before(a, b catalog.Job) bool {
	return holdfast.JobPrefix(a.Host, a.Name) < holdfast.JobPrefix(b.Host, b.Name)
}

// lacking returns what of a job is to be copied to where present is.
func (c *copier) lacking(ctx context.Context, job catalog.Job, present []holdfast.Backup, result *Result) []holdfast.Backup {
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
		case committed && c.holds(ctx, in, b):
			result.Present++
		default:
			lacking = append(lacking, b)
		}
	}
	a := c.admission(job, result)
	return a.wanted(ctx, a.admitted(ctx, lacking, there), there)
}

// holds reports whether a backup in the target has all the data of the source's, as
// far as listings tell: a manifest alone restores nothing. Where the source has more,
// its manifest tells what counts.
func (c *copier) holds(ctx context.Context, there, here holdfast.Backup) bool {
	if hasData(there, here) {
		return true
	}
	named, err := c.named(ctx, here)
	return err == nil && hasData(there, named) // else it is said when it is copied
}

func hasData(there, here holdfast.Backup) bool {
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

// named returns the backup with the data that its manifest names. A file that somebody
// has added beside it is not the backup's.
func (c *copier) named(ctx context.Context, b holdfast.Backup) (holdfast.Backup, error) {
	silent := *c
	silent.Warn = func(string) {}
	m, err := silent.manifest(ctx, restore.Direct(c.from, b.Ref))
	if err != nil {
		return b, err
	}
	b.Data = nil
	for _, s := range m.Streams {
		b.Data = append(b.Data, holdfast.Object{Key: b.Key(s.File), Size: s.StoredSize, ModTime: b.Manifest.ModTime})
	}
	return b, nil
}
