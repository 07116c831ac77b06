package sample

import (
	"fmt"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// failedDump is a job with three findings at once.
func failedDump(now time.Time) holdfast.Message {
	since := now.Add(-10 * time.Minute)
	last := backup(now.Add(-70*time.Minute), 0x3b8c04a1, 2_100_000, 40_000_000)
	about := func(check string, severity holdfast.Severity, summary, expected, actual, hint string) holdfast.Item {
		return item(holdfast.Opened, since, holdfast.Finding{
			Check: check, Severity: severity, Host: "web1", Job: "crm", Backup: last.ID,
			Summary: summary, Expected: expected, Actual: actual, Hint: hint,
		}, last)
	}
	m := message("failed-dump", since,
		about(holdfast.CheckCompression, holdfast.Critical, "files.tar hardly compresses any more: it may hold encrypted files",
			"about 3.42", "1.01", "holdfast hold web1/crm, an older backup first; have files on web1 been encrypted?"),
		about(holdfast.CheckShrunk, holdfast.Warning, "the newest good backup is 2.1MB, much smaller than the usual 40MB",
			"at least 0.5 of the usual 40MB", "2.1MB, 0.05 of it", "holdfast list web1/crm; if this is meant, it becomes usual within days"),
		about(holdfast.CheckFailedRun, holdfast.Warning, "a run failed: dump: pg_dump: exit status 1: connection to server at \"db1\", port 5432 failed: Connection refused",
			"", "", "on web1: pusher doctor, then pusher run crm"))
	m.Items[2].Finding.Backup = ""
	return m
}

// unreachable is about a vault, and names it.
func unreachable(now time.Time) holdfast.Message {
	m := message("unreachable", now, item(holdfast.Opened, now, holdfast.Finding{
		Check: holdfast.CheckReachable, Severity: holdfast.Critical,
		Summary:  "the vault cannot be judged: list \"backups/\": dial tcp 192.0.2.7:443: i/o timeout",
		Expected: "that it can be listed and read", Hint: "holdfast check --vault main",
	}, nil))
	m.Vault = "main"
	return m
}

// cleanupFailed is retention that refused to delete.
func cleanupFailed(now time.Time) holdfast.Message {
	return message("cleanup-failed", now, item(holdfast.Opened, now, holdfast.Finding{
		Check: holdfast.CheckRetentionBrake, Severity: holdfast.Warning, Host: "web1", Job: "crm",
		Summary: "refused to delete 31 of 40 good backups at once", Expected: "at most half in one run",
		Actual: "31 of 40", Hint: "holdfast clean --dry-run; if it is meant, holdfast clean --force",
	}, backup(now.Add(-3*time.Hour), 0x9f3c2a7d, 39_400_000, 40_000_000)))
}

// manyChanges is what is told when a network, or a store, is gone and comes back.
func manyChanges(now time.Time) holdfast.Message {
	var items []holdfast.Item
	for n := range 30 {
		host, job := fmt.Sprintf("web%d", n/3+1), []string{"crm", "media", "shop"}[n%3]
		since, hours := now.Add(-time.Duration(n)*time.Minute), 27+n
		last := backup(now.Add(-time.Duration(hours)*time.Hour), 0xc0ffee00+uint32(n), int64(39_000_000+100_000*n), 40_000_000)
		step, severity := holdfast.Opened, holdfast.Critical
		switch {
		case n >= 24:
			step, since = holdfast.Resolved, since.Add(-5*time.Hour)
			last = backup(now.Add(-time.Duration(n)*time.Minute), 0xc0ffee00+uint32(n), int64(39_000_000+100_000*n), 40_000_000)
		case n >= 18:
			severity = holdfast.Warning
		}
		items = append(items, item(step, since, holdfast.Finding{
			Check: holdfast.CheckFresh, Severity: severity, Host: host, Job: job, Backup: last.ID,
			Summary: fmt.Sprintf("the newest good backup is %dh old", hours), Expected: "every 24h, 2h grace",
			Actual: fmt.Sprintf("%dh old", hours), Hint: fmt.Sprintf("on %s: pusher doctor, then pusher run %s", host, job),
		}, last))
		items[n].Flapping = n == 26
	}
	m := message("many", now, items...)
	m.More = 10
	return m
}

// goodNews is what only those are told who ask for it.
func goodNews(now time.Time) holdfast.Message {
	news := func(event holdfast.Event, job, summary string, last *holdfast.LastBackup) holdfast.Item {
		i := holdfast.Item{Event: event, Step: holdfast.News, Last: last, Finding: holdfast.Finding{Summary: summary}}
		if job != "" {
			i.Finding.Host, i.Finding.Job = "web1", job
		}
		if event == holdfast.BackupSucceeded {
			i.Finding.Backup = last.ID
		}
		return i
	}
	crm := backup(now.Add(-9*time.Minute), 0x3b8c04a1, 40_100_000, 40_000_000)
	media := backup(now.Add(-4*time.Minute), 0x51e7c0de, 4_061_000_000, 4_050_000_000)
	return message("good-news", now,
		news(holdfast.BackupSucceeded, "crm", "a good backup has arrived", crm),
		news(holdfast.BackupSucceeded, "media", "a good backup has arrived", media),
		news(holdfast.CleanupSucceeded, "", "retention deleted 12 backups, 480MB", nil),
		news(holdfast.Healthy, "crm", "nothing is wrong any more", crm))
}

// digest is the state of the whole, as told once a week.
func digest(now time.Time) holdfast.Message {
	stuck := stale(now, holdfast.Ongoing, "56h")
	m := message("digest", now)
	m.Kind, m.Items = holdfast.KindDigest, nil
	m.Overview = &holdfast.Overview{
		From: now.Add(-7 * 24 * time.Hour), Jobs: 12, OK: 10, Warning: 1, Critical: 1, Silenced: 1,
		Backups: 81, Stored: 61_300_000_000, Grown: 1_240_000_000,
		Open: []holdfast.Item{stuck, growing(now)},
	}
	m.Overview.Open[1].Step = holdfast.Ongoing
	for i := range m.Overview.Open {
		m.Overview.Open[i].At = m.Overview.Open[i].Finding.Since
	}
	return m
}
