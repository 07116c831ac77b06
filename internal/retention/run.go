package retention

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/catalog"
)

// Run plans, and unless a brake refuses applies, retention for every job in the
// vault, and sweeps. It holds one job's backups at a time. A job without a policy
// keeps everything, with a finding. In a braked job nothing at all is touched.
//
// A job that fails does not stop the others. The error is nil only if everything
// that was to be removed and is not locked, held or braked is gone; the Summary
// holds what was done in any case. When ctx ends, Run stops between backups and
// returns its error; the next run goes on from there.
func Run(ctx context.Context, vault Vault, policies Policies, o Options) (Summary, error) {
	if o.Now.IsZero() {
		return Summary{}, errors.New("run retention: no time given")
	}
	if o.Concurrency < 1 {
		o.Concurrency = defaultConcurrency
	}
	r := &run{vault: vault, policies: policies, Options: o, braked: map[string]bool{}}
	r.summary = Summary{Time: o.Now.UTC(), DryRun: o.DryRun, Jobs: []JobResult{}, Findings: []holdfast.Finding{}}
	r.sweeper = &sweeper{vault: vault, now: o.Now, dryRun: o.DryRun, concurrency: o.Concurrency, may: r.may}
	err := r.do(ctx)
	r.summary.Swept = r.sweeper.result()
	r.vaultFindings()
	if err != nil {
		return r.summary, fmt.Errorf("run retention: %w", err)
	}
	if n := len(r.summary.Swept.Failed); n > 0 {
		r.errs = append(r.errs, fmt.Errorf("sweep: %d removals failed, one with: %s", n, r.summary.Swept.Failed[0].Error))
	}
	if len(r.errs) > 0 {
		return r.summary, fmt.Errorf("run retention: %d failures, the first: %w", len(r.errs), r.errs[0])
	}
	return r.summary, nil
}

// run is one Run under way.
type run struct {
	Options
	vault    Vault
	policies Policies
	sweeper  *sweeper
	braked   map[string]bool // by host/job
	summary  Summary
	errs     []error
}

// do returns an error only for what ends the run.
func (r *run) do(ctx context.Context) error {
	for job, err := range catalog.Jobs(ctx, r.vault, holdfast.BackupsPrefix) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		for _, o := range job.Stray {
			r.sweeper.out.Stray.add(o.Key, o.Size)
		}
		if job.Host == "" || !r.may(job.Host, job.Name) {
			continue
		}
		r.job(ctx, job)
	}
	if err := r.sweeper.uploads(ctx); err != nil {
		return fmt.Errorf("sweep uploads: %w", err)
	}
	if err := r.sweeper.reports(ctx); err != nil {
		return fmt.Errorf("sweep reports: %w", err)
	}
	return nil
}

func (r *run) may(host, job string) bool {
	return !r.braked[host+"/"+job] && (r.Only == nil || r.Only(host, job))
}

// job does one job.
func (r *run) job(ctx context.Context, job catalog.Job) {
	keep, expect, ok := r.policies(job.Host, job.Name)
	if !ok {
		keep, expect = holdfast.Keep{}, holdfast.Expect{}
		r.find(holdfast.Finding{
			Check: holdfast.CheckRetentionPolicy, Severity: holdfast.Warning, Host: job.Host, Job: job.Name,
			Summary: "no policy says what to keep, so everything stays",
			Hint:    "name the job in holdfast.yaml",
		})
	} else if r.KeepLast > 0 {
		keep.Form, keep.Counts = holdfast.Counts, holdfast.KeepCounts{Last: r.KeepLast}
	}
	decisions := Plan(keep, job.Backups, r.Now)
	for i := range decisions {
		decisions[i].HostNamed = r.HostNamed
	}
	if r.Planned != nil {
		r.Planned(job.Host, job.Name, decisions)
	}
	result := resultOf(job, decisions)
	finding := closed(job)
	if finding == nil {
		finding = Brake(decisions, keep, expect, r.Now)
	}
	if finding != nil && !r.Force {
		r.find(*finding)
		r.braked[job.Host+"/"+job.Name] = true
		result.Braked = true
	} else {
		if !r.DryRun {
			r.apply(ctx, job, decisions, &result)
		}
		r.sweeper.orphans(ctx, job)
	}
	result.count(job, r.DryRun)
	r.summary.Jobs = append(r.summary.Jobs, result)
}

func (r *run) apply(ctx context.Context, job catalog.Job, decisions []Decision, result *JobResult) {
	var err error
	result.Outcome, err = Apply(ctx, r.vault, job, decisions, r.Concurrency)
	if err == nil || ctx.Err() != nil { // the latter ends the run, which says so
		return
	}
	r.errs = append(r.errs, err)
	r.find(holdfast.Finding{
		Check: holdfast.CheckRetentionDelete, Severity: holdfast.Warning, Host: job.Host, Job: job.Name,
		Summary: fmt.Sprintf("%d deletions failed", len(result.Outcome.Failed)),
		Actual:  result.Outcome.Failed[0].Error,
		Hint:    "the next run tries again; if it goes on, check the vault's permissions",
	})
}

func resultOf(job catalog.Job, decisions []Decision) JobResult {
	result := JobResult{Host: job.Host, Job: job.Name}
	for _, d := range decisions {
		if d.Good {
			result.Good++
		}
		if !d.Keep {
			result.Delete = append(result.Delete, d)
			if d.Watched() {
				result.Watched++
			}
		}
	}
	return result
}

// count counts the backups that stay: in a dry run those that would.
func (j *JobResult) count(job catalog.Job, dryRun bool) {
	gone := map[holdfast.ID]bool{}
	for _, ref := range j.Outcome.Deleted {
		gone[ref.ID] = true
	}
	if dryRun && !j.Braked {
		for _, d := range j.Delete {
			gone[d.ID] = !d.Watched()
		}
	}
	for _, b := range job.Backups {
		if b.Committed && !gone[b.ID] {
			j.Kept++
			j.KeptBytes += b.Size()
		}
	}
}

func (r *run) find(f holdfast.Finding) { r.summary.Findings = append(r.summary.Findings, f) }

// vaultFindings reports what concerns no job in particular.
func (r *run) vaultFindings() {
	swept := r.summary.Swept
	if n := len(swept.Failed); n > 0 {
		r.find(holdfast.Finding{
			Check: holdfast.CheckRetentionSweep, Severity: holdfast.Warning,
			Summary: fmt.Sprintf("%d leftovers could not be removed", n),
			Actual:  swept.Failed[0].Error,
			Hint:    "the next run tries again; if it goes on, check the vault's permissions",
		})
	}
	if n := len(swept.Hidden); n > 0 {
		r.find(holdfast.Finding{
			Check: holdfast.CheckRetentionHidden, Severity: holdfast.Critical,
			Summary: fmt.Sprintf("somebody deleted the manifests of %d backups by name; their data stays", n),
			Actual:  "such as " + swept.Hidden[0].String(),
			Hint:    "find out who holds keys to the bucket; removing the delete markers brings the backups back: docs/restore.md",
		})
	}
	if swept.Stray.Count > 0 {
		r.find(holdfast.Finding{
			Check: holdfast.CheckRetentionStray, Severity: holdfast.Warning,
			Summary: fmt.Sprintf("%d objects belong to no backup and are left", swept.Stray.Count),
			Actual:  strings.Join(swept.Stray.Keys, ", "),
			Hint:    "something else writes under Holdfast's prefix; remove by hand what is not yours to keep",
		})
	}
}
