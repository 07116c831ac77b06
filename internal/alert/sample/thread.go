package sample

import (
	"time"

	"github.com/holdfast-backup/holdfast"
)

// The first story: nothing arrives any more, people are told and reminded, and
// then a backup arrives.

func stale(now time.Time, step holdfast.Step, old string) holdfast.Item {
	since := now.Add(-30 * time.Hour)
	last := backup(since.Add(-26*time.Hour), 0x9f3c2a7d, 39_400_000, 40_000_000)
	return item(step, since, holdfast.Finding{
		Check: holdfast.CheckFresh, Severity: holdfast.Critical, Host: "web1", Job: "crm", Backup: last.ID,
		Summary: "the newest good backup is " + old + " old", Expected: "every 24h, 2h grace", Actual: old + " old",
		Hint: "on web1: pusher doctor, then pusher run crm",
	}, last)
}

func opening(now time.Time) holdfast.Message {
	return message("opening", now.Add(-30*time.Hour), stale(now, holdfast.Opened, "26h"))
}

func reminder(now time.Time) holdfast.Message {
	m := message("reminder", now.Add(-6*time.Hour), stale(now, holdfast.Reminder, "50h"))
	m.Thread = in(opening(now), stale(now, holdfast.Opened, "50h"))
	return m
}

func resolution(now time.Time) holdfast.Message {
	over := stale(now, holdfast.Resolved, "55h")
	over.At, over.Last = now, backup(now.Add(-5*time.Minute), 0x3b8c04a1, 40_100_000, 40_000_000)
	m := message("resolution", now, over)
	m.Thread = in(opening(now), over)
	return m
}

// The second story: two warnings, one of which becomes critical and ends, while
// the other goes on.

func lacking(now time.Time, step holdfast.Step, severity holdfast.Severity) holdfast.Item {
	last := backup(now.Add(-32*time.Hour), 0x51e7c0de, 812_000_000, 4_050_000_000)
	return item(step, now.Add(-31*time.Hour), holdfast.Finding{
		Check: holdfast.CheckStreams, Severity: severity, Host: "web2", Job: "media", Backup: last.ID,
		Summary:  "the newest good backup lacks files.tar",
		Expected: "the files of most days before", Actual: "last in the backup of " + now.Add(-56*time.Hour).Format("2006-01-02 15:04 UTC"),
		Hint: "on web2: is the source still configured? pusher run media",
	}, last)
}

func growing(now time.Time) holdfast.Item {
	return item(holdfast.Opened, now.Add(-31*time.Hour), holdfast.Finding{
		Check: holdfast.CheckMaxTotal, Severity: holdfast.Warning, Host: "web2", Job: "shop",
		Summary: "its backups take 5.4GB", Expected: "at most 5GB", Actual: "5.4GB", Hint: "holdfast clean --dry-run",
	}, backup(now.Add(-33*time.Hour), 0x0a11ce5e, 212_000_000, 205_000_000))
}

func warnings(now time.Time) holdfast.Message {
	return message("warnings", now.Add(-31*time.Hour), lacking(now, holdfast.Opened, holdfast.Warning), growing(now))
}

func worsening(now time.Time) holdfast.Message {
	m := message("worsening", now.Add(-30*time.Hour), lacking(now, holdfast.Worsened, holdfast.Critical))
	m.Thread = in(warnings(now), lacking(now, holdfast.Opened, holdfast.Critical), growing(now))
	return m
}

func halfOver(now time.Time) holdfast.Message {
	over := lacking(now, holdfast.Resolved, holdfast.Critical)
	over.At, over.Last = now, backup(now.Add(-8*time.Minute), 0x77d3b2f0, 4_061_000_000, 4_050_000_000)
	m := message("half-over", now, over)
	m.Thread = in(warnings(now), over, growing(now))
	return m
}
