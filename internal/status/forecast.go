package status

import (
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/retention"
)

// How far and how much is foretold of each job.
const (
	forecastDays     = 8
	maxForecast      = 5               // deletions
	maxForecastFrom  = 10_000          // kept backups beyond which nothing is foretold
	forecastInterval = 5 * time.Minute // the least between the backups that are assumed
)

// forecast returns the next deletions, soonest first: what the decisions give up
// now, and what plans of the next days would, if retention runs once a day and
// backups of the newest one's size go on arriving as expected.
func forecast(policy holdfast.Policy, backups []holdfast.Backup, decisions []retention.Decision, now time.Time) []Deletion {
	var next []Deletion
	var left []holdfast.Backup // newest first
	take := func(backups []holdfast.Backup, decisions []retention.Decision, at time.Time) {
		left = left[:0]
		for i := len(decisions) - 1; i >= 0; i-- {
			if d := decisions[i]; !d.Keep && d.Host != "" && len(next) < maxForecast {
				next = append(next, Deletion{d.ID, at})
			}
		}
		for i, d := range decisions {
			if d.Keep {
				left = append(left, backups[i])
			}
		}
	}
	take(backups, decisions, now)
	if policy.Keep.Form == holdfast.KeepAll && policy.Keep.MaxTotal == 0 || len(left) > maxForecastFrom {
		return next
	}
	coming := newArrivals(policy.Expect, decisions, now)
	for day := 1; day <= forecastDays && len(next) < maxForecast; day++ {
		at := now.AddDate(0, 0, day)
		then := append(coming.until(at), left...)
		take(then, retention.Plan(policy.Keep, then, at), at)
	}
	return next
}

// arrivals makes up the backups that are expected. They belong to no host, which
// tells them from real ones.
type arrivals struct {
	next  time.Time
	every time.Duration // 0 where nothing is expected
	size  int64
}

func newArrivals(expect holdfast.Expect, decisions []retention.Decision, now time.Time) *arrivals {
	for _, newest := range decisions {
		if !newest.Good || expect.Every.IsZero() {
			continue
		}
		a := &arrivals{every: max(expect.Every.Duration(), forecastInterval), size: newest.Size}
		missed := max(0, now.Sub(newest.Time)/a.every)
		a.next = newest.Time.Add((missed + 1) * a.every)
		return a
	}
	return &arrivals{}
}

// until returns those that arrive up to a time, newest first, each once.
func (a *arrivals) until(end time.Time) []holdfast.Backup {
	var oldestFirst []holdfast.Backup
	for ; a.every > 0 && !a.next.After(end); a.next = a.next.Add(a.every) {
		id, err := holdfast.NewID(a.next, strings.NewReader("\x00\x00\x00\x00"))
		if err != nil {
			return nil // the reader has what it takes
		}
		oldestFirst = append(oldestFirst, holdfast.Backup{
			Ref: holdfast.Ref{ID: id}, Committed: true, Data: []holdfast.Object{{Size: a.size}},
		})
	}
	backups := make([]holdfast.Backup, 0, len(oldestFirst))
	for i := len(oldestFirst) - 1; i >= 0; i-- {
		backups = append(backups, oldestFirst[i])
	}
	return backups
}
