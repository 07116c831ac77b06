package retention

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// arrive says when the last backup that was pushed came to lie in the vault.
func (l *life) arrive(at time.Time) {
	l.backups[len(l.backups)-1].Manifest.ModTime = at
}

// lifeOfNights has n nightly backups which arrived when they say.
func lifeOfNights(keep holdfast.Keep, n int) *life {
	l := newLife(keep, span(24, holdfast.Hour))
	l.hostNamed = true
	for d := n - 1; d >= 0; d-- {
		at := l.now.Add(-9*time.Hour - time.Duration(d)*day)
		l.dump(at, 250*mb)
		l.arrive(at.Add(time.Minute))
	}
	return l
}

func TestGarbageOfPastDaysDisplacesNothingWhereHostsNameBackups(t *testing.T) {
	for name, keep := range map[string]holdfast.Keep{
		"windows": {Form: holdfast.Windows, Windows: holdfast.KeepWindows{Daily: span(30, holdfast.Day)}, MinKeep: 3},
		"counts":  {Form: holdfast.Counts, Counts: holdfast.KeepCounts{Daily: 30}, MinKeep: 3},
	} {
		t.Run(name, func(t *testing.T) {
			l := lifeOfNights(keep, 30)
			if f := l.thin(); f != nil || l.real() != 30 {
				t.Fatalf("before the attack: %v, %d left", f, l.real())
			}
			for d := range 30 { // one a minute after each
				id := l.dump(l.now.Add(-9*time.Hour-time.Duration(d)*day+time.Minute), 250*mb)
				l.arrive(l.now)
				l.fake[id] = true
			}
			if f := l.thin(); f == nil || !strings.Contains(f.Summary, "not as old as its name") || l.real() != 30 {
				t.Errorf("got %v, and %d of 30 are left", f, l.real())
			}
		})
	}
}

func TestWhatWasCopiedThereLateStopsNothing(t *testing.T) {
	keep := holdfast.Keep{Form: holdfast.Windows, Windows: holdfast.KeepWindows{Daily: span(30, holdfast.Day)}, MinKeep: 3}
	l := lifeOfNights(keep, 31)
	// The vault was away for a week, and what came then was copied there now.
	for i := 10; i < 17; i++ {
		l.backups[i].Manifest.ModTime = l.now
	}
	l.now = l.now.Add(day)
	l.dump(l.now.Add(-9*time.Hour), 250*mb)
	l.arrive(l.now.Add(-9 * time.Hour))
	before := len(l.backups)
	if f := l.thin(); f != nil || len(l.backups) >= before {
		t.Errorf("got %v, and %d of %d are left", f, len(l.backups), before)
	}
}

func TestABrokersTimesAreNotDoubted(t *testing.T) {
	keep := holdfast.Keep{Form: holdfast.Counts, Counts: holdfast.KeepCounts{Daily: 20}, MinKeep: 3}
	l := lifeOfNights(keep, 30)
	l.hostNamed = false
	l.backups[20].Manifest.ModTime = l.now
	if f := l.thin(); f != nil || l.real() != 20 {
		t.Errorf("got %v, and %d are left, want 20", f, l.real())
	}
}
