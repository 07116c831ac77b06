package retention

import (
	"fmt"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// How much more than expected may arrive before it is a flood: far more than a
// person makes by hand besides.
const (
	floodFactor = 3
	floodSlack  = 3
	// roomFactor is how much larger than usual those may be that are expected.
	roomFactor = 1.5
)

// lately returns the length of time that counts as lately, a day or the time
// between two backups, how many are expected in it (0: nobody said), and the good
// ones that have arrived.
func (c *braking) lately() (window time.Duration, expected int, recent []Decision) {
	window = 24 * time.Hour
	if every := c.expect.Every.Duration(); every > 0 {
		window = max(window, every)
		expected = int((window + every - 1) / every)
	}
	for _, d := range c.good {
		if c.now.Sub(d.Time) >= window {
			break
		}
		recent = append(recent, d)
	}
	return window, expected, recent
}

// flood refuses to give up backups for others that have arrived lately, if
// those are too many or would be most of what is left.
//
// The second holds over any number of runs, without a memory: what has driven
// others out since yesterday is itself still there. If it may be no more than half
// of what is left, then at most as much has gone as is left of what was there
// before. Only as many as are expected may be more, since a policy may keep
// fewer than arrive in a day.
func (c *braking) flood() *holdfast.Finding {
	window, expected, recent := c.lately()
	if expected == 0 || !c.overTotal && !c.byCount {
		return nil
	}
	f := &holdfast.Finding{
		Backup:   c.good[0].ID,
		Expected: fmt.Sprintf("about %d in %gh, as expect.every says", expected, window.Hours()),
		Actual:   fmt.Sprintf("%d", len(recent)),
		Hint:     "; if as many are meant to arrive, say so in expect.every",
	}
	if len(recent) > floodFactor*expected+floodSlack {
		f.Summary = fmt.Sprintf("refused to delete older backups for %d that arrived lately", len(recent))
		return f
	}
	count, bytes := share(c.good)
	newCount, newBytes := share(recent)
	room := roomFactor * float64(expected+1) * c.usual.Size
	switch {
	case c.byCount && 2*newCount > count && newCount > expected+1:
		f.Summary = fmt.Sprintf("refused to delete older backups: %d of the %d left would have arrived lately", newCount, count)
		return f
	case c.overTotal && room > 0 && 2*newBytes > bytes && float64(newBytes) > room:
		f.Summary = fmt.Sprintf("refused to delete older backups: %v of the %v left would have arrived lately",
			holdfast.Size(newBytes), holdfast.Size(bytes))
		return f
	}
	return nil
}

// share counts the backups that stay, and what they occupy in bytes.
func share(decisions []Decision) (count int, bytes int64) {
	for _, d := range decisions {
		if d.Keep {
			count++
			bytes += d.ownSize()
		}
	}
	return count, bytes
}
