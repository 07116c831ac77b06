package retention

import (
	"fmt"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// backdatedBy is by how much files may arrive in another order than that of
// their names, as they do when somebody copies a directory.
const backdatedBy = 48 * time.Hour

// backdated refuses to delete while an adopted backup bears an older time than one
// that was there long before it. Holdfast's own backups have the broker's times;
// that of an adopted one is its name, which whoever can write there can choose, and
// a file of a time gone by takes the place of a good backup of that time.
func (c *braking) backdated() *holdfast.Finding {
	var earliest Decision      // to arrive, of those with newer times
	for _, d := range c.good { // newest first
		if d.Adopted == nil || arrival(d).IsZero() {
			continue
		}
		if !earliest.Time.IsZero() && arrival(d).Sub(arrival(earliest)) > backdatedBy {
			return &holdfast.Finding{
				Backup:   d.ID,
				Summary:  "refused to delete anything while an adopted backup is not as old as its name says",
				Expected: fmt.Sprintf("there before %s, when one of a newer name arrived", minute(arrival(earliest))),
				Actual:   "last written " + minute(arrival(d)),
				Hint:     "; if it is none of yours, remove it",
			}
		}
		if earliest.Time.IsZero() || arrival(d).Before(arrival(earliest)) {
			earliest = d
		}
	}
	return nil
}

// arrival returns when the last file of the backup was written, by the vault's
// clock.
func arrival(d Decision) time.Time {
	var last time.Time
	for _, o := range d.Data {
		if o.ModTime.After(last) {
			last = o.ModTime
		}
	}
	return last
}

func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
