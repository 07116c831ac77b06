package status

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// moment is a time for people, and for the script that keeps its age up to date.
type moment struct {
	ISO  string
	Full string // "15 Mar 2026, 02:00 UTC"
	Ago  string // as of the page
}

func at(t, now time.Time) moment {
	t = t.UTC()
	return moment{t.Format("2006-01-02T15:04Z"), t.Format("2 Jan 2006, 15:04 UTC"), ago(now.Sub(t))}
}

// maybe returns nil for the zero time.
func maybe(t, now time.Time) *moment {
	if t.IsZero() {
		return nil
	}
	m := at(t, now)
	return &m
}

// ago returns an age as people say it, also of what is to come. asset/page.js says the same.
func ago(d time.Duration) string {
	if d < 0 {
		return "in " + length(-d)
	}
	if d < 2*time.Minute {
		return "just now"
	}
	return length(d) + " ago"
}

func length(d time.Duration) string {
	switch {
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// nextDay says when something is about to happen, to a day.
func nextDay(t, now time.Time) string {
	if days := int(t.Sub(now).Hours() / 24); days > 0 {
		return "about " + t.UTC().Format("2 January")
	}
	return "with the next run"
}

// size returns "1.5 MB", the space being one at which no line breaks.
func size(bytes int64) string {
	text := holdfast.Size(bytes).String()
	i := strings.IndexAny(text, "kMGTB")
	return text[:i] + "\u00a0" + text[i:]
}

// took returns a duration to two digits or so.
func took(seconds int64) string {
	switch {
	case seconds < 120:
		return fmt.Sprintf("%d\u00a0s", seconds)
	case seconds < 2*60*60:
		return fmt.Sprintf("%d\u00a0min", seconds/60)
	}
	return fmt.Sprintf("%.1f\u00a0h", float64(seconds)/3600)
}

// number returns "1 backup", "2,000 backups".
func number(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return thousands(n) + " " + noun + "s"
}

func thousands(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
