package status

import (
	"fmt"
	"time"

	"github.com/holdfast-backup/holdfast"
)

type jobView struct {
	ID, Host, Job string
	State         string
	Since         *moment
	Silenced      *moment
	Findings      []findingView
	Last          *moment
	LastID        string
	Due           *moment
	Expected      string // "every 24h, 2h grace"
	Size, Usual   string
	Took          string
	Count         int
	Left          int // good backups that are not shown
	Stored        string
	Keep          string
	SizeText      string // the charts in words
	TookText      string
	Months        []monthView
	Next          []deletionView
	Drill         *drillView
	Failures      []failureView
	data          jobData
}

// state returns one that the page knows: what a newer program calls otherwise is
// worth a look.
func state(s string) string {
	if s == OK || s == Critical {
		return s
	}
	return Warning
}

type findingView struct {
	Check, Severity, Summary, Expected, Actual, Hint, Backup string
	Since                                                    *moment
}

type deletionView struct {
	Backup moment
	Day    string
}

type drillView struct {
	At moment
	OK bool
}

type failureView struct {
	At     moment
	Reason string
}

func viewJob(vault string, j Job, now time.Time) jobView {
	v := jobView{
		ID:   Anchor(line(vault), line(j.Host), line(j.Job)),
		Host: line(j.Host), Job: line(j.Job), State: state(j.State), Since: maybe(j.Since, now),
		Silenced: maybe(j.Silenced, now), Findings: viewFindings(j.Findings, now), Due: maybe(j.Due, now),
		Count: j.Count, Left: max(0, j.Count-len(j.Backups)), Stored: size(j.Stored), Keep: line(j.Keep), data: newJobData(j),
	}
	if j.Every != "" {
		v.Expected = "every " + line(j.Every)
		if j.Grace != "" {
			v.Expected += ", " + line(j.Grace) + " grace"
		}
	}
	if j.Last != nil {
		v.Last, v.LastID, v.Size = maybe(j.Last.ID.Time(), now), line(string(j.Last.ID)), size(j.Last.Size)
		if j.Last.Seconds > 0 {
			v.Took = took(j.Last.Seconds)
		}
	}
	if j.Usual > 0 {
		v.Usual = size(j.Usual)
	}
	v.SizeText, v.TookText = sizeText(j.Backups), tookText(j.Backups)
	v.Months = months(j.Backups)
	for _, d := range j.Next {
		v.Next = append(v.Next, deletionView{at(d.ID.Time(), now), nextDay(d.At, now)})
	}
	if j.Drill != nil {
		v.Drill = &drillView{at(j.Drill.At, now), j.Drill.OK}
	}
	for _, f := range j.Failures {
		v.Failures = append(v.Failures, failureView{at(f.At, now), line(f.Reason)})
	}
	return v
}

func viewFindings(findings []holdfast.Finding, now time.Time) []findingView {
	var views []findingView
	for _, f := range findings {
		views = append(views, findingView{
			Check: line(f.Check), Severity: severity(f.Severity), Summary: line(f.Summary), Expected: line(f.Expected),
			Actual: line(f.Actual), Hint: line(f.Hint), Backup: line(string(f.Backup)), Since: maybe(f.Since, now),
		})
	}
	return views
}

// severity returns one that the page has a shape for: off is that of a check that
// nobody is told of.
func severity(s holdfast.Severity) string {
	if s == holdfast.Critical || s == holdfast.Warning {
		return string(s)
	}
	return "off"
}

// sizeText is the chart of sizes in words.
func sizeText(backups []Backup) string {
	if len(backups) == 0 {
		return ""
	}
	least, most, odd := backups[0].Size, backups[0].Size, []Backup{}
	for _, b := range backups {
		least, most = min(least, b.Size), max(most, b.Size)
		if b.Odd || b.Fault != "" {
			odd = append(odd, b)
		}
	}
	first, last := backups[0], backups[len(backups)-1]
	text := fmt.Sprintf("%s since %s: %s", number(len(backups), "backup"), date(first.ID.Time()), size(least))
	if size(least) != size(most) {
		text = fmt.Sprintf("%s to %s, the newest %s", text, size(most), size(last.Size))
	}
	for i, b := range odd {
		switch {
		case i == 3:
			return fmt.Sprintf("%s and %d more", text, len(odd)-i)
		case i == 0:
			text += "; out of the ordinary: "
		default:
			text += ", "
		}
		text += size(b.Size) + " on " + date(b.ID.Time())
		if b.Fault != "" {
			text += " (bad: " + line(b.Fault) + ")"
		}
	}
	return text
}

// tookText is the chart of durations in words.
func tookText(backups []Backup) string {
	var least, most, last int64
	for _, b := range backups {
		if b.Seconds > 0 {
			if least == 0 || b.Seconds < least {
				least = b.Seconds
			}
			most, last = max(most, b.Seconds), b.Seconds
		}
	}
	switch {
	case last == 0:
		return ""
	case took(least) == took(most):
		return "took " + took(last)
	}
	return fmt.Sprintf("took %s to %s, the newest %s", took(least), took(most), took(last))
}

// Anchor returns the name of a job's place on the page, which a link ends with.
func Anchor(vault, host, job string) string { return vault + "/" + host + "/" + job }
