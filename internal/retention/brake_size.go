package retention

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/catalog"
)

// small refuses to thin out in favour of a newest backup that looks empty, or of
// which a part does: a database that has become empty hardly shows beside media.
func (c *braking) small() *holdfast.Finding {
	newest := c.good[0]
	f := &holdfast.Finding{
		Backup:  newest.ID,
		Cause:   holdfast.CheckShrunk,
		Summary: "refused to delete anything while the newest good backup is anomalously small",
		Actual:  holdfast.Size(newest.DataSize).String(),
	}
	if newest.DataSize < int64(c.expect.MinSize) {
		f.Cause, f.Expected = holdfast.CheckMinSize, fmt.Sprintf("at least %v", c.expect.MinSize)
		return f
	}
	if c.expect.Shrink <= 0 {
		return nil
	}
	sizes, compared := catalog.FileSizes(newest.Data), false
	for _, name := range slices.Sorted(maps.Keys(sizes)) {
		usual := c.usual.Files[name].Size
		compared = compared || usual > 0
		if float64(sizes[name]) < c.expect.Shrink*usual {
			f.Expected = fmt.Sprintf("at least %v of the usual %v of %s", c.expect.Shrink, holdfast.Size(usual), name)
			f.Actual = holdfast.Size(sizes[name]).String()
			return f
		}
	}
	if !compared && float64(newest.DataSize) < c.expect.Shrink*c.usual.Size {
		f.Expected = fmt.Sprintf("at least %v of the usual %v", c.expect.Shrink, holdfast.Size(c.usual.Size))
		return f
	}
	return c.lacking(sizes)
}

// lacking refuses to thin out while a usual file has stopped to arrive. A backup
// without it is no reason yet: parts of a job may have schedules of their own.
func (c *braking) lacking(sizes map[string]int64) *holdfast.Finding {
	for _, name := range slices.Sorted(maps.Keys(c.usual.Files)) {
		file := c.usual.Files[name]
		if _, has := sizes[name]; has || !file.Expected || c.expect.Every.IsZero() || !c.now.After(c.expect.Deadline(file.Newest)) {
			continue
		}
		return &holdfast.Finding{
			Backup:   c.good[0].ID,
			Cause:    holdfast.CheckStreams,
			Summary:  fmt.Sprintf("refused to delete anything while new backups lack %s", name),
			Expected: fmt.Sprintf("every %v, %v grace", c.expect.Every, c.expect.Grace),
			Actual:   fmt.Sprintf("%v old", c.now.Sub(file.Newest).Round(time.Minute)),
		}
	}
	return nil
}

// largeDays is of how many days before the newest backup's own a huge backup is
// still in the way: as long as it takes to become usual.
const largeDays = 7

// large refuses to make room for a huge backup at the cost of others.
func (c *braking) large() *holdfast.Finding {
	if !c.overTotal || c.expect.Grow <= 0 || c.usual.Size <= 0 {
		return nil
	}
	days, date := -1, ""
	for _, d := range c.good {
		if at := d.Time.Format(time.DateOnly); at != date {
			if days, date = days+1, at; days > largeDays {
				return nil
			}
		}
		if float64(d.DataSize) <= c.expect.Grow*c.usual.Size {
			continue
		}
		return &holdfast.Finding{
			Backup:   d.ID,
			Summary:  "refused to delete anything for max_total while a new backup is anomalously large",
			Expected: fmt.Sprintf("at most %v of the usual %v", c.expect.Grow, holdfast.Size(c.usual.Size)),
			Actual:   holdfast.Size(d.DataSize).String(),
		}
	}
	return nil
}
