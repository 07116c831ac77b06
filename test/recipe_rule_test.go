package test

import (
	"testing"
	"time"
)

// rule decides what should be left of a job's backups, newest first in and out.
//
// These say once more, and in another way, what internal/retention does; a backup is
// inside of a length of time if it comes after the moment at which that ends.
type rule func(now time.Time, all []held) []held

// spatie is the rule that laravel-backup cleans up by as it is installed: all of the
// last 7 days, then one a day for 16 days, one a week for 8 weeks, one a month for 4
// months, one a year for 2 years, the newest of each; and then the oldest go until the
// rest fits below the cap. The newest three stay always.
func spatie(limit int64) rule {
	return func(now time.Time, all []held) []held {
		week := now.AddDate(0, 0, -7)
		days := week.AddDate(0, 0, -16)
		weeks := days.AddDate(0, 0, -7*8)
		months, years := yearly(now)
		var left []held
		taken, total := map[string]bool{}, int64(0)
		for i, h := range all {
			period := ""
			switch {
			case h.at.After(week):
				period = h.id
			case h.at.After(days):
				period = h.at.Format("day 2006-01-02")
			case h.at.After(weeks):
				monday := h.at.AddDate(0, 0, -(int(h.at.Weekday())+6)%7)
				period = monday.Format("week of 2006-01-02")
			case h.at.After(months):
				period = h.at.Format("month 2006-01")
			case h.at.After(years):
				period = h.at.Format("year 2006")
			}
			if i >= 3 && (period == "" || taken[period]) {
				continue
			}
			taken[period] = true
			if total += h.size; total > limit && len(left) >= 3 {
				break
			}
			left = append(left, h)
		}
		return left
	}
}

// yearly says what spatie keeps one a year of: what came at the latest at the first
// moment, and after the second.
func yearly(now time.Time) (from, to time.Time) {
	from = monthsBefore(now.AddDate(0, 0, -7-16-7*8), 4)
	return from, monthsBefore(from, 24)
}

// lastDays keeps what is less than n days old, but the newest three always.
func lastDays(n int) rule {
	return func(now time.Time, all []held) []held {
		var left []held
		for i, h := range all {
			if i < 3 || h.at.After(now.AddDate(0, 0, -n)) {
				left = append(left, h)
			}
		}
		return left
	}
}

// lastOnes keeps the newest n.
func lastOnes(n int) rule {
	return func(_ time.Time, all []held) []held { return all[:min(n, len(all))] }
}

// monthsBefore goes back n months, to the last day of a month that is too short.
func monthsBefore(at time.Time, n int) time.Time {
	first := at.AddDate(0, -n, 1-at.Day())
	last := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(at.Day(), last)-1)
}

func TestTheRulesOfTheRecipesSayWhatTheyShould(t *testing.T) {
	at := func(text string) time.Time {
		d, err := time.Parse(time.DateTime, text)
		must(t, err)
		return d
	}
	if got := monthsBefore(at("2027-07-31 02:30:00"), 5); !got.Equal(at("2027-02-28 02:30:00")) {
		t.Errorf("five months before 31 July: got %v", got)
	}
	now := at("2027-06-30 02:30:01")
	var all []held
	for n := range 1200 {
		night := now.AddDate(0, 0, -n).Add(-time.Second)
		all = append(all, held{night.String(), night, 10})
	}
	// 7 and 16 days, to 7 June, a Monday; nine weeks from the one of that day back to that
	// of 12 April, which is not in; of the months April, March, February, January and
	// what is left of December; and of 2026 the last day before that, of 2025 the last,
	// and of 2024 too, for it ends on 12 December of that year.
	left := spatie(1<<40)(now, all)
	if n := len(left); n != 7+16+9+5+3 {
		t.Errorf("of 1200 nights %d are left: %v", n, left)
	}
	for i, want := range []string{"2026-12-12", "2025-12-31", "2024-12-31"} {
		if got := left[7+16+9+5+i].at.Format(time.DateOnly); got != want {
			t.Errorf("year %d: %s is left, want %s", i+1, got, want)
		}
	}
	if n := len(spatie(105)(now, all)); n != 10 {
		t.Errorf("below a cap of ten and a half %d are left", n)
	}
	if n := len(spatie(1<<40)(now, all[1000:])); n != 3 {
		t.Errorf("of those too old for any length of time %d are left", n)
	}
	if n := len(lastDays(30)(now, all)); n != 30 {
		t.Errorf("of the last 30 days %d are left", n)
	}
}
