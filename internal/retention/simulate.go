package retention

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// Simulation is what a policy makes of regular backups over time, retention having
// run after each.
type Simulation struct {
	Backups   int            `json:"backups"` // made in all
	Days      []SimulatedDay `json:"days"`
	Kept      []Decision     `json:"kept"`       // at the end, newest first, with reasons
	Total     int64          `json:"total"`      // what those occupy, bytes
	Peak      int            `json:"peak"`       // the most backups there were after a run
	PeakTotal int64          `json:"peak_total"` // the most they occupied, bytes
}

// SimulatedDay is the state at the end of one day.
type SimulatedDay struct {
	Date  string `json:"date"` // in the policy's zone, 2026-03-01
	Count int    `json:"count"`
	Total int64  `json:"total"` // bytes
}

// maxSimulated bounds a simulation: 400 days of backups every five minutes.
const maxSimulated = 400 * 24 * 12

// Simulate shows what a policy keeps of a job that makes a backup of size
// bytes every so often, from start on for so many days. Brakes play no part: a
// job like that has nothing wrong.
func Simulate(keep holdfast.Keep, days int, every time.Duration, start time.Time, size int64) (Simulation, error) {
	if days < 1 || every < time.Second || size < 1 || start.IsZero() {
		return Simulation{}, errors.New("simulate: want at least one day, a second between backups, one byte and a start")
	}
	p := newPlan(keep, start, false)
	first := start.UTC().Truncate(time.Second) // as ids have it
	end := first.In(p.keep.Location).AddDate(0, 0, days)
	if end.Year() > 9999 || end.Sub(first)/every > maxSimulated {
		return Simulation{}, fmt.Errorf("simulate: more than %d backups", maxSimulated)
	}
	var s Simulation
	var last time.Time
	var spare []entry // the list before the last, to be written over
	for t := first; t.Before(end); t = t.Add(every) {
		last = t.Truncate(time.Second)
		p.now = last.In(p.keep.Location)
		entries := append(spare[:0], entry{time: p.now, size: size})
		entries, spare = append(entries, p.entries...), p.entries
		p.entries = entries
		p.decide()
		p.forget()
		s.Backups++
		s.note(p.now, len(p.entries), int64(len(p.entries))*size)
	}
	return s.finish(keep, p.entries, last)
}

// forget drops the entries that are not kept, and what is known of the others.
func (p *plan) forget() {
	kept := p.entries[:0]
	for _, e := range p.entries {
		if e.keep {
			e.keep = false
			kept = append(kept, e)
		}
	}
	p.entries = kept
}

func (s *Simulation) note(now time.Time, count int, total int64) {
	day := SimulatedDay{now.Format(time.DateOnly), count, total}
	if n := len(s.Days); n > 0 && s.Days[n-1].Date == day.Date {
		s.Days[n-1] = day
	} else {
		s.Days = append(s.Days, day)
	}
	s.Peak, s.PeakTotal, s.Total = max(s.Peak, count), max(s.PeakTotal, total), total
}

// finish asks Plan for the reasons.
func (s Simulation) finish(keep holdfast.Keep, entries []entry, now time.Time) (Simulation, error) {
	backups := make([]holdfast.Backup, len(entries))
	for i, e := range entries {
		id, err := holdfast.NewID(e.time, strings.NewReader("\x00\x00\x00\x00"))
		if err != nil {
			return Simulation{}, err
		}
		backups[i] = exampleBackup(id, e.size, false)
	}
	s.Kept = Plan(keep, backups, now)
	return s, nil
}
