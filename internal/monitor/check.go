package monitor

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// UnfinishedAfter is how old data without a manifest may become. The sweep
// removes it after two days.
const UnfinishedAfter = 72 * time.Hour

// orphanFor is how long such data must have been seen by the monitor: longer
// than retention takes from deleting a manifest to deleting its data.
const orphanFor = time.Hour

// maxReports is how many stored reports of one job are still sensible.
const maxReports = 1000

// maxLine is the length of foreign text in a summary, in runes.
const maxLine = 240

// oneLine makes a text that a host or a tool wrote fit for a summary: one line,
// no control or formatting characters that could fake output on a terminal,
// and not longer than maxLine.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, s)
	runes := []rune(strings.Join(strings.Fields(s), " "))
	if len(runes) > maxLine {
		return string(runes[:maxLine-1]) + "…"
	}
	return string(runes)
}

// age returns a length of time as people say it, rounded down.
func age(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 72*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// minute returns a time as summaries have it.
func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// number returns "1 backup", "2 backups".
func number(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
