package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// CleanupSilence is how long retention may not run: where it runs at all it does so
// daily at least.
const CleanupSilence = 72 * time.Hour

// cleanup takes over what the last run of retention found. A vault that
// retention never ran in has nothing to say of it.
func (r *run) cleanup(ctx context.Context) error {
	body, _, err := r.vault.Load(ctx, holdfast.CleanupKey)
	if errors.Is(err, holdfast.ErrNotExist) {
		return nil
	}
	if err != nil && ctx.Err() != nil {
		return err
	}
	var last holdfast.Cleanup
	if err == nil {
		err = json.Unmarshal(body, &last)
	}
	if err == nil && last.Version != holdfast.CleanupVersion {
		err = fmt.Errorf("version %d is not known, only %d", last.Version, holdfast.CleanupVersion)
	}
	if err == nil && last.At.After(r.look.at.Add(holdfast.FutureTolerance)) {
		err = fmt.Errorf("it is of a time to come, %s", minute(last.At))
	}
	if err != nil {
		r.look.note(holdfast.Finding{
			Check: holdfast.CheckRetentionFailed, Severity: holdfast.Warning,
			Summary: "what retention did cannot be read: " + oneLine(err.Error()),
			Hint:    "holdfast clean; see who else writes to " + holdfast.CleanupKey,
		})
		return nil
	}
	r.look.cleaned = &last
	if old := r.look.at.Sub(last.At); old > CleanupSilence {
		r.look.note(holdfast.Finding{
			Check: holdfast.CheckRetention, Severity: holdfast.Warning,
			Summary:  "retention has not run for " + age(old),
			Expected: "a run each day at least", Actual: "last " + minute(last.At), Hint: "holdfast clean; is its schedule still there?",
		})
	}
	if last.Error != "" {
		r.look.note(holdfast.Finding{
			Check: holdfast.CheckRetentionFailed, Severity: holdfast.Warning,
			Summary: "retention failed: " + oneLine(last.Error), Actual: "at " + minute(last.At), Hint: "holdfast clean",
		})
	}
	noted := map[findingKey]bool{}
	for _, f := range last.Findings[:min(len(last.Findings), holdfast.MaxCleanupFindings)] {
		if !noted[keyOf(f)] && r.takes(f) {
			noted[keyOf(f)] = true
			if _, err := holdfast.ParseID(string(f.Backup)); err != nil {
				f.Backup = ""
			}
			f.Since, f.Cause = time.Time{}, ""
			f.Summary, f.Expected, f.Actual, f.Hint = oneLine(f.Summary), oneLine(f.Expected), oneLine(f.Actual), oneLine(f.Hint)
			r.look.note(f)
		}
	}
	return nil
}

// takes reports whether a finding of retention is one that the run speaks of, and
// none that the monitor sees for itself.
func (r *run) takes(f holdfast.Finding) bool {
	if !strings.HasPrefix(f.Check, holdfast.CheckRetention+"-") || !slices.Contains(holdfast.Checks(), f.Check) || f.Severity != holdfast.Critical && f.Severity != holdfast.Warning {
		return false
	}
	switch f.Check {
	case holdfast.CheckRetentionStray, holdfast.CheckRetentionPolicy, holdfast.CheckRetentionFailed:
		return false
	}
	if f.Host == "" && f.Job == "" {
		return true
	}
	v := r.look.views[holdfast.JobName{Host: f.Host, Job: f.Job}]
	return v != nil && !v.forgotten && !r.look.implies(v, f)
}

// implies reports whether a finding of retention follows from what the monitor itself
// tells people of the job, or is over because a newer backup has arrived since.
func (l *look) implies(v *view, f holdfast.Finding) bool {
	if f.Cause == "" {
		return false
	}
	newest := v.newest()
	return newest != nil && f.Backup != "" && newest.id > f.Backup || slices.ContainsFunc(l.findings, func(own holdfast.Finding) bool {
		return own.Check == f.Cause && own.Host == f.Host && own.Job == f.Job
	})
}
