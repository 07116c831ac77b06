package retention

import (
	"fmt"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// backdatedBy is by how much files may arrive in another order than that of
// their names, as they do when somebody copies a directory.
const backdatedBy = 48 * time.Hour

// backdated refuses to delete while a backup whose time nobody vouches for bears an
// older one than another that was there long before it. A broker's backups have the
// broker's times. That of an adopted one is its name, and where hosts send by
// themselves that of any is: whoever can write there can choose it, and a file of a
// time gone by takes the place of a good backup of that time.
//
// An adopted one that is late stops everything, since the program that made it is
// not expected to write into the past. Holdfast's own arrive late by `holdfast copy`
// too, so they do only where they take the place of one that would stay without them.
func (c *braking) backdated() *holdfast.Finding {
	var earliest Decision // to arrive, of those with newer times
	var late, others []Decision
	var before Decision        // the first that came before one of late
	for _, d := range c.good { // newest first
		unvouched := (d.Adopted != nil || d.HostNamed) && !arrival(d).IsZero()
		if unvouched && !earliest.Time.IsZero() && arrival(d).Sub(arrival(earliest)) > backdatedBy {
			if len(late) == 0 {
				before = earliest
			}
			late = append(late, d)
			continue
		}
		others = append(others, d)
		if unvouched && (earliest.Time.IsZero() || arrival(d).Before(arrival(earliest))) {
			earliest = d
		}
	}
	if len(late) == 0 || late[0].Adopted == nil && !c.displaced(others) {
		return nil
	}
	return &holdfast.Finding{
		Backup:   late[0].ID,
		Summary:  "refused to delete anything while a backup is not as old as its name says",
		Expected: fmt.Sprintf("there before %s, when one of a newer name arrived", minute(arrival(before))),
		Actual:   "last written " + minute(arrival(late[0])),
		Hint:     "; one that `holdfast copy` brought late looks like this too, and if it is none of yours, remove it",
	}
}

// displaced reports whether one of these backups goes that would stay if there
// were no others.
func (c *braking) displaced(these []Decision) bool {
	goes := map[holdfast.ID]bool{}
	var backups []holdfast.Backup
	for _, d := range these {
		goes[d.ID] = !d.Keep
		backups = append(backups, holdfast.Backup{
			Ref: d.Ref, Committed: true, Data: d.Data, Manifest: d.Manifest,
		})
	}
	for _, d := range Plan(c.keep, backups, c.now) {
		if d.Keep && goes[d.ID] {
			return true
		}
	}
	return false
}

// arrival returns when the backup was complete, by the vault's clock: when its manifest
// was written, and of an adopted one, which has none, its first file. Files that
// somebody adds later make no backup younger.
func arrival(d Decision) time.Time {
	if d.Adopted == nil {
		return d.Manifest.ModTime
	}
	var first time.Time
	for _, o := range d.Data {
		if first.IsZero() || o.ModTime.Before(first) {
			first = o.ModTime
		}
	}
	return first
}

func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
