package monitor

import (
	"fmt"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// contents: manifests, and the objects beside them.
func (l *look) contents(v *view) {
	var manifests, objects, extra tally
	var reasons [3]string
	open := false
	for _, k := range v.kept {
		switch {
		case k.gone:
		case k.trouble != nil:
			manifests.note(k.id, &reasons[0], "it cannot be read: "+oneLine(k.trouble.Error()))
		case k.fact.Fault == holdfast.CheckManifest:
			manifests.note(k.id, &reasons[0], k.fact.Reason)
		case k.fact.Fault == holdfast.CheckStored:
			objects.note(k.id, &reasons[1], k.fact.Reason)
		case k.fact.Fault == faultUnexpected:
			extra.note(k.id, &reasons[2], k.fact.Reason)
		case !k.settled:
			open = true
		}
	}
	if manifests.n > 0 {
		f := v.finding(holdfast.CheckManifest, holdfast.Critical, "the manifest of %s is not valid: %s", manifests.of(), reasons[0])
		f.Backup, f.Expected = holdfast.ID(manifests.name), "signed by the host's key"
		f.Hint = fmt.Sprintf("holdfast verify %s@%s", v.name, manifests.name)
		l.note(f)
	} else if open {
		l.undecide(v, holdfast.CheckManifest)
	}
	bad, severity, reason, how := objects, holdfast.Critical, reasons[1], "is not what its manifest says"
	if bad.n == 0 {
		bad, severity, reason, how = extra, holdfast.Warning, reasons[2], "has objects that its manifest does not name"
	}
	if bad.n > 0 {
		f := v.finding(holdfast.CheckStored, severity, "the data of %s %s: %s", bad.of(), how, reason)
		f.Backup, f.Expected = holdfast.ID(bad.name), "the objects and sizes of the manifest"
		f.Hint = fmt.Sprintf("holdfast verify %s@%s", v.name, bad.name)
		l.note(f)
	} else if open {
		l.undecide(v, holdfast.CheckStored)
	}
}

// note counts a backup and keeps the reason of the newest one.
func (t *tally) note(id holdfast.ID, keep *string, reason string) {
	if t.n == 0 {
		*keep = reason
	}
	t.add(string(id))
}

// of returns "<id>", or "<id> and 2 others".
func (t tally) of() string {
	switch t.n {
	case 1:
		return t.name
	case 2:
		return t.name + " and 1 other"
	}
	return fmt.Sprintf("%s and %d others", t.name, t.n-1)
}

// hashes reports what re-reads have shown, in this run or before.
func (l *look) hashes(v *view) {
	var bad tally
	var reason string
	for _, k := range v.kept {
		if k.fact.Fault == holdfast.CheckHash && !k.gone {
			bad.note(k.id, &reason, k.fact.Reason)
		}
	}
	switch {
	case bad.n > 0:
		f := v.finding(holdfast.CheckHash, holdfast.Critical, "the data of %s is corrupt: %s", bad.of(), reason)
		f.Backup, f.Expected = holdfast.ID(bad.name), "the SHA-256 of the manifest"
		f.Hint = fmt.Sprintf("holdfast verify %s@%s; then pusher run %s on %s", v.name, bad.name, v.name.Job, v.name.Host)
		l.note(f)
	case v.unread != nil:
		f := v.finding(holdfast.CheckHash, holdfast.Warning, "%s could not be re-read: %s", v.unreadID, oneLine(v.unread.Error()))
		f.Backup, f.Hint = v.unreadID, fmt.Sprintf("holdfast verify %s@%s", v.name, v.unreadID)
		l.note(f)
	case !v.tried && v.corrupt:
		// Nothing was read that could take the finding back.
		l.undecide(v, holdfast.CheckHash)
	}
}

// runs reports a failure that no good backup has followed.
func (l *look) runs(v *view) {
	if id := v.report.Failed; id != "" && !v.retired && v.newerThanBackups(id, time.Time{}) {
		f := v.finding(holdfast.CheckFailedRun, holdfast.Warning, "the last run failed: %s", v.report.Reason)
		f.Expected, f.Actual = "a good backup after it", "it failed at "+minute(id.Time())
		f.Hint = fmt.Sprintf("on %s: pusher doctor, then pusher run %s", v.name.Host, v.name.Job)
		l.note(f)
	}
	if v.reports > maxReports {
		f := v.finding(holdfast.CheckReports, holdfast.Warning, "%s are stored", number(v.reports, "report"))
		f.Expected = fmt.Sprintf("at most %d", maxReports)
		f.Hint = fmt.Sprintf("see what runs on %s; to stop it, set revoked: true for the host", v.name.Host)
		l.note(f)
	}
}

// leftovers: entries that are no backups, or not yet.
func (l *look) leftovers(v *view) {
	if v.future.n > 0 {
		f := v.finding(holdfast.CheckFuture, holdfast.Warning, "%s of a time to come, the latest %s", number(v.future.n, "backup"), v.future.name)
		f.Backup, f.Expected, f.Hint = holdfast.ID(v.future.name), "times of the past", "set the broker's and the monitor's clock right"
		l.note(f)
	}
	switch {
	case v.overdue.n == 0:
	case l.at.Sub(v.orphan.At) < orphanFor:
		// It may be that retention deletes it at this very moment, its
		// manifest first. An open finding waits for the next run too.
		l.undecide(v, holdfast.CheckUnfinished)
	default:
		f := v.finding(holdfast.CheckUnfinished, holdfast.Warning, "%s without a manifest, older than %s",
			number(v.overdue.n, "unfinished backup"), age(UnfinishedAfter))
		f.Backup, f.Expected, f.Hint = holdfast.ID(v.overdue.name), "removed after two days", "holdfast clean"
		l.note(f)
	}
	if v.stray.n > 0 {
		l.note(strayFinding(v.name, v.stray.n, v.stray.name))
	}
}

func strayFinding(name holdfast.JobName, n int, key string) holdfast.Finding {
	return holdfast.Finding{
		Check: holdfast.CheckStray, Severity: holdfast.Warning, Host: name.Host, Job: name.Job,
		Summary: fmt.Sprintf("%s among the backups that belong to none, such as %q", number(n, "object"), oneLine(key)),
		Hint:    "see who else writes to the vault",
	}
}
