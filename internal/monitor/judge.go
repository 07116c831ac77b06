package monitor

import (
	"fmt"

	"github.com/holdfast-backup/holdfast"
)

// judge runs all checks of one job. Each adds one finding at most, or says that
// it could not be decided.
func (l *look) judge(v *view) {
	if v.forgotten {
		return
	}
	for _, check := range []func(*look, *view){
		(*look).freshness, (*look).sizes, (*look).compression, (*look).totals,
		(*look).contents, (*look).hashes, (*look).runs, (*look).leftovers,
	} {
		check(l, v)
	}
}

// finding begins a finding about the job.
func (v *view) finding(check string, severity holdfast.Severity, format string, args ...any) holdfast.Finding {
	return holdfast.Finding{
		Check: check, Severity: severity, Host: v.name.Host, Job: v.name.Job,
		Summary: fmt.Sprintf(format, args...), Hint: "holdfast list " + v.name.String(),
	}
}

func (l *look) undecide(v *view, check string) {
	l.undecided[findingKey{v.name.Host, v.name.Job, check}] = true
}

// freshness: is there a good backup, and is it young enough.
func (l *look) freshness(v *view) {
	expect, newest := v.policy.Expect, v.newest()
	expected := fmt.Sprintf("every %s, %s grace", expect.Every, expect.Grace)
	hint := fmt.Sprintf("on %s: pusher doctor, then pusher run %s", v.name.Host, v.name.Job)
	if v.retired {
		return // nothing new is to come
	}
	if newest == nil {
		if l.at.After(expect.Deadline(v.first)) {
			f := v.finding(holdfast.CheckMissing, holdfast.Critical, "there is no good backup")
			f.Expected, f.Hint = expected, hint
			f.Actual = fmt.Sprintf("none since the job was first known, %s", minute(v.first))
			if n := len(v.kept); n > 0 {
				f.Actual = fmt.Sprintf("%s, not one of them good", number(n, "backup"))
			}
			l.note(f)
		}
		return
	}
	if !expect.Every.IsZero() && l.at.After(expect.Deadline(newest.id.Time())) {
		old := age(l.at.Sub(newest.id.Time()))
		f := v.finding(holdfast.CheckFresh, holdfast.Critical, "the newest good backup is %s old", old)
		f.Backup, f.Expected, f.Actual, f.Hint = newest.id, expected, old+" old", hint
		l.note(f)
	}
}

// totals: room and number.
func (l *look) totals(v *view) {
	expect := v.policy.Expect
	if expect.MaxTotal > 0 && v.total > int64(expect.MaxTotal) {
		total := holdfast.Size(v.total).String()
		f := v.finding(holdfast.CheckMaxTotal, holdfast.Warning, "its backups take %s", total)
		f.Expected, f.Actual, f.Hint = "at most "+expect.MaxTotal.String(), total, "holdfast clean --dry-run"
		l.note(f)
	}
	if n := v.count(); n < expect.MinCount {
		f := v.finding(holdfast.CheckMinCount, holdfast.Warning, "there are only %s", number(n, "good backup"))
		f.Expected, f.Actual = fmt.Sprintf("at least %d", expect.MinCount), fmt.Sprint(n)
		l.note(f)
	}
}
