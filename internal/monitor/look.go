package monitor

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/catalog"
)

// look is what one run saw, before it is compared with the memory.
type look struct {
	at        time.Time
	views     map[holdfast.JobName]*view
	unwatched []string
	findings  []holdfast.Finding // without Since; one for each key
	// undecided has what could not be concluded in this run: open findings
	// of that key stay open.
	undecided map[findingKey]bool
	cleaned   *holdfast.Cleanup // the last run of retention, nil where none is known
	postured  bool              // the vault was asked how it is protected
	judged    bool              // all that the run is about was looked at
	reading   *reading
	readOn    bool // reading changed
}

func newLook(now time.Time) *look {
	return &look{
		at: now, views: map[holdfast.JobName]*view{}, unwatched: []string{},
		undecided: map[findingKey]bool{
			{check: holdfast.CheckStray}: true, {check: holdfast.CheckReports}: true, {check: holdfast.CheckReachable}: true,
		},
	}
}

// note adds a finding, unless it is the zero one.
func (l *look) note(f holdfast.Finding) {
	if f.Check != "" {
		l.findings = append(l.findings, f)
	}
}

// covers reports whether the look concludes anything about the job; the zero
// name is the vault itself.
func (l *look) covers(name holdfast.JobName) bool {
	return name == holdfast.JobName{} || l.views[name] != nil
}

// survey lists the backups, keeps a view of each job, and returns the backups
// whose manifest has to be read.
func (r *run) survey(ctx context.Context, st *state, reports reportLog) (*wanted, error) {
	corrupt := map[holdfast.JobName]holdfast.ID{} // by open findings
	for _, f := range st.Open {
		if f.Check == holdfast.CheckHash {
			corrupt[holdfast.JobName{Host: f.Host, Job: f.Job}] = f.Backup
		}
	}
	wanted := newWanted(r.opts.ManifestReads)
	var strays []holdfast.Object
	for job, err := range r.jobs(ctx) {
		if err != nil {
			return nil, err
		}
		if job.Host == "" {
			strays = append(strays[:min(len(strays), maxStrays)], job.Stray...)
			continue
		}
		name := holdfast.JobName{Host: job.Host, Job: job.Name}
		if !r.included(name) {
			continue
		}
		policy, ok := r.opts.Policies(name.Host, name.Job)
		if !ok {
			r.look.unwatched = append(r.look.unwatched, name.String())
			continue
		}
		if r.opts.Observe != nil {
			r.opts.Observe(job)
		}
		v := r.watch(st, name, policy)
		v.fill(job, r.look.at, st, corrupt[name], wanted)
		r.count.Backups += len(job.Backups)
	}
	if r.sawAll() {
		delete(r.look.undecided, findingKey{check: holdfast.CheckStray})
		if len(strays) > 0 {
			r.look.note(strayFinding(holdfast.JobName{}, len(strays), strays[0].Key))
		}
	}
	r.watchAbsent(st, reports)
	return wanted, nil
}

// maxStrays is how many objects outside of all jobs are held to be counted.
const maxStrays = 1000

// jobs lists the jobs that the run is about.
func (r *run) jobs(ctx context.Context) iter.Seq2[catalog.Job, error] {
	if r.opts.Jobs == nil {
		return catalog.Jobs(ctx, r.vault, holdfast.BackupsPrefix)
	}
	return func(yield func(catalog.Job, error) bool) {
		for _, name := range r.opts.Jobs {
			for job, err := range catalog.Jobs(ctx, r.vault, holdfast.JobPrefix(name.Host, name.Job)) {
				if !yield(job, err) || err != nil {
					return
				}
			}
		}
	}
}

// sawAll reports whether the run is about all jobs.
func (r *run) sawAll() bool { return r.opts.Jobs == nil && r.opts.Only == nil }

func (r *run) included(name holdfast.JobName) bool {
	return (r.opts.Jobs == nil || slices.Contains(r.opts.Jobs, name)) &&
		(r.opts.Only == nil || r.opts.Only(name.Host, name.Job))
}

// watch makes the view of a job that is watched.
func (r *run) watch(st *state, name holdfast.JobName, policy holdfast.Policy) *view {
	v := &view{name: name, policy: policy, first: r.look.at}
	v.retired = r.opts.Retired != nil && r.opts.Retired(name.Host)
	if rec := st.Jobs[name.String()]; rec != nil {
		v.first, v.reread, v.report, v.orphan = rec.First, rec.Reread, rec.Report, rec.Orphan
		v.failures, v.drill = rec.Failures, rec.Drill
	}
	r.look.views[name] = v
	return v
}

// watchAbsent makes views of the jobs of which no backup was listed: those that
// are expected, those that were there once, and those that only report. A job
// that has no policy any more is forgotten.
func (r *run) watchAbsent(st *state, reports reportLog) {
	names, known := slices.Clone(r.opts.Expected), map[holdfast.JobName]bool{}
	for text := range st.Jobs {
		host, job, _ := strings.Cut(text, "/")
		known[holdfast.JobName{Host: host, Job: job}] = true
	}
	for _, f := range st.Open {
		known[holdfast.JobName{Host: f.Host, Job: f.Job}] = true
	}
	names = slices.AppendSeq(names, maps.Keys(known))
	names = slices.AppendSeq(names, maps.Keys(reports))
	for _, name := range names {
		if name == (holdfast.JobName{}) || r.look.views[name] != nil || !r.included(name) {
			continue
		}
		if policy, ok := r.opts.Policies(name.Host, name.Job); ok {
			r.watch(st, name, policy)
			continue
		}
		if known[name] {
			r.look.views[name] = &view{name: name, forgotten: true}
		}
	}
}
