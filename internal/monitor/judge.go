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
	if newest == nil {
		if l.at.After(expect.Deadline(v.first)) {
			f := v.finding(CheckMissing, holdfast.Critical, "there is no good backup")
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
		f := v.finding(CheckFresh, holdfast.Critical, "the newest good backup is %s old", old)
		f.Backup, f.Expected, f.Actual, f.Hint = newest.id, expected, old+" old", hint
		l.note(f)
	}
}

// sizes holds the stored size of the newest good backup against the policy and
// against what is usual.
func (l *look) sizes(v *view) {
	expect, newest := v.policy.Expect, v.newest()
	if newest == nil {
		return
	}
	size := holdfast.Size(newest.size)
	if expect.MinSize > 0 && size < expect.MinSize {
		f := v.finding(CheckMinSize, holdfast.Critical, "the newest good backup is only %s", size)
		f.Backup, f.Expected, f.Actual = newest.id, "at least "+expect.MinSize.String(), size.String()
		l.note(f)
	}
	samples := v.usual()
	if samples == nil {
		return
	}
	var values []float64
	for _, k := range samples {
		values = append(values, float64(k.size))
	}
	middle := median(values)
	compared := func(check, how string, limit float64) holdfast.Finding {
		f := v.finding(check, holdfast.Warning, "the newest good backup is %s, %s than the usual %s",
			size, how, holdfast.Size(middle))
		f.Backup, f.Actual = newest.id, fmt.Sprintf("%s, %.2f of it", size, float64(newest.size)/middle)
		f.Expected = fmt.Sprintf("%g of the usual %s", limit, holdfast.Size(middle))
		f.Hint += "; if this is meant, it becomes usual within days"
		return f
	}
	if expect.Shrink > 0 && float64(newest.size) < expect.Shrink*middle {
		f := compared(CheckShrunk, "much smaller", expect.Shrink)
		f.Expected = "at least " + f.Expected
		l.note(f)
	}
	if expect.Grow > 0 && float64(newest.size) > expect.Grow*middle {
		f := compared(CheckGrown, "much larger", expect.Grow)
		f.Expected = "at most " + f.Expected
		l.note(f)
	}
}

// compression looks for the mark of encrypted source files: what used to
// compress does not any more.
func (l *look) compression(v *view) {
	newest := v.newest()
	if newest == nil {
		return
	}
	samples := v.usual()
	if samples == nil {
		return
	}
	var values []float64
	for _, k := range samples {
		if k.fact.Ratio > 0 {
			values = append(values, k.fact.Ratio)
		}
	}
	if newest.fact.Ratio == 0 || len(values) < minSamples {
		l.undecide(v, CheckCompression) // manifests that are not read yet
		return
	}
	now, usual := newest.fact.Ratio, median(values)
	severity := holdfast.Warning
	switch {
	case now < incompressible && now < lessThanUsual*usual:
		severity = holdfast.Critical
	case now < muchLessThanUsual*usual:
	default:
		return
	}
	f := v.finding(CheckCompression, severity, "the newest good backup compresses %.2f to 1, usual is %.2f", now, usual)
	f.Backup, f.Expected, f.Actual = newest.id, fmt.Sprintf("about %.2f", usual), fmt.Sprintf("%.2f", now)
	f.Hint = fmt.Sprintf("see whether files on %s have been encrypted", v.name.Host)
	for _, k := range samples {
		if k.fact.Ratio >= lessThanUsual*usual {
			f.Hint += fmt.Sprintf("; keep one that was not: holdfast hold %s@%s", v.name, k.id)
			break
		}
	}
	l.note(f)
}

// totals: room and number.
func (l *look) totals(v *view) {
	expect := v.policy.Expect
	if expect.MaxTotal > 0 && v.total > int64(expect.MaxTotal) {
		total := holdfast.Size(v.total).String()
		f := v.finding(CheckMaxTotal, holdfast.Warning, "its backups take %s", total)
		f.Expected, f.Actual, f.Hint = "at most "+expect.MaxTotal.String(), total, "holdfast clean --dry-run"
		l.note(f)
	}
	if n := v.count(); n < expect.MinCount {
		f := v.finding(CheckMinCount, holdfast.Warning, "there are only %s", number(n, "good backup"))
		f.Expected, f.Actual = fmt.Sprintf("at least %d", expect.MinCount), fmt.Sprint(n)
		l.note(f)
	}
}
