package status

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// monthView is the calendar of a month: which of its days have kept backups, and
// why. The page's script draws the days from the very same words.
type monthView struct {
	Month  string // "2026-03"
	Name   string // "March 2026"
	Groups []dayGroup
}

// dayGroup are days with the same reasons.
type dayGroup struct {
	Days string // "1–8, 15"
	Why  string // "daily", "24 a day, all 7d", "deleted next"
}

// goes is the reason of what the next run of retention deletes.
const goes = "deleted next"

// months returns the calendar, the newest month first. Days are UTC, as ids have them.
func months(backups []Backup) []monthView {
	var views []monthView
	for len(backups) > 0 {
		month := backups[0].ID.Time().Format("2006-01")
		n := slices.IndexFunc(backups, func(b Backup) bool { return b.ID.Time().Format("2006-01") != month })
		if n < 0 {
			n = len(backups)
		}
		first := backups[0].ID.Time()
		views = append(views, monthView{month, first.Format("January 2006"), groups(backups[:n])})
		backups = backups[n:]
	}
	slices.Reverse(views)
	return views
}

// groups puts the days of one month together by their reasons, in the order of
// their first days.
func groups(backups []Backup) []dayGroup {
	var whys []string
	days := map[string][]int{}
	for len(backups) > 0 {
		day := backups[0].ID.Time().Day()
		n := slices.IndexFunc(backups, func(b Backup) bool { return b.ID.Time().Day() != day })
		if n < 0 {
			n = len(backups)
		}
		why := reasonsOf(backups[:n])
		if days[why] == nil {
			whys = append(whys, why)
		}
		days[why] = append(days[why], day)
		backups = backups[n:]
	}
	groups := make([]dayGroup, len(whys))
	for i, why := range whys {
		groups[i] = dayGroup{ranges(days[why]), why}
	}
	return groups
}

// reasonsOf returns why the backups of one day are kept.
func reasonsOf(backups []Backup) string {
	var reasons []string
	floor := ""
	for _, b := range backups {
		if len(b.Kept) == 0 {
			reasons = append(reasons, goes)
		}
		for _, reason := range b.Kept {
			if strings.HasPrefix(reason, "newest ") {
				floor = reason // said only where it is all there is to say
			} else {
				reasons = append(reasons, line(reason))
			}
		}
	}
	if len(reasons) == 0 {
		reasons = append(reasons, line(floor))
	}
	if len(backups) > 1 {
		reasons = append([]string{fmt.Sprintf("%d a day", len(backups))}, reasons...)
	}
	seen := map[string]bool{}
	reasons = slices.DeleteFunc(reasons, func(reason string) bool {
		again := seen[reason]
		seen[reason] = true
		return again
	})
	return strings.Join(reasons, ", ")
}

// ranges returns "1–8, 15" for ascending days.
func ranges(days []int) string {
	var parts []string
	for i := 0; i < len(days); {
		j := i
		for j+1 < len(days) && days[j+1] == days[j]+1 {
			j++
		}
		part := strconv.Itoa(days[i])
		switch j - i {
		case 0:
		case 1:
			part += ", " + strconv.Itoa(days[j])
		default:
			part += "–" + strconv.Itoa(days[j])
		}
		parts = append(parts, part)
		i = j + 1
	}
	return strings.Join(parts, ", ")
}

// date returns a day as sentences have it.
func date(t time.Time) string { return t.UTC().Format("2 Jan 2006") }
