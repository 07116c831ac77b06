package monitor

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/holdfast-backup/holdfast"
)

// Bounds against a host that sends reports without end. What they leave out is
// at worst the early notice of a failed run; freshness does not rest on reports.
const (
	maxReportsListed = 200_000 // of all jobs, in one run
	reportsPerJob    = 4       // newest ones that are opened
	reportsPerRun    = 500     // opened, of all jobs
	maxReportBody    = 64 << 10
)

// reportLog is what the listing of the reports shows.
type reportLog map[holdfast.JobName]*jobReports

// jobReports are the newest reports of one job.
type jobReports struct {
	newest []storedReport // ascending, at most reportsPerJob
	count  int
}

type storedReport struct {
	id     holdfast.ID
	stored time.Time // by the vault's clock
}

// listReports lists the reports of all jobs and keeps the newest of each.
func (r *run) listReports(ctx context.Context) (reportLog, error) {
	reports := reportLog{}
	for object, err := range r.reports(ctx) {
		if err != nil {
			return nil, err
		}
		if r.count.Reports++; r.count.Reports > maxReportsListed {
			r.look.note(holdfast.Finding{
				Check: holdfast.CheckReports, Severity: holdfast.Warning,
				Summary:  fmt.Sprintf("more than %d reports are stored; failed runs from %q on are not seen", maxReportsListed, oneLine(object.Key)),
				Expected: "a few for each job", Hint: "see which hosts send them",
			})
			return reports, nil
		}
		name, id, ok := parseReportKey(object.Key)
		if !ok || !r.included(name) || id.Time().After(r.look.at.Add(holdfast.FutureTolerance)) {
			continue
		}
		log := reports[name]
		if log == nil {
			log = &jobReports{}
			reports[name] = log
		}
		log.count++
		if len(log.newest) == reportsPerJob {
			log.newest = slices.Delete(log.newest, 0, 1)
		}
		log.newest = append(log.newest, storedReport{id, object.ModTime})
	}
	if r.sawAll() {
		delete(r.look.undecided, findingKey{check: holdfast.CheckReports})
	}
	return reports, nil
}

// reports lists the reports of the jobs that the run is about.
func (r *run) reports(ctx context.Context) iter.Seq2[holdfast.Object, error] {
	if r.opts.Jobs == nil {
		return r.vault.List(ctx, holdfast.ReportsPrefix)
	}
	return func(yield func(holdfast.Object, error) bool) {
		for _, name := range r.opts.Jobs {
			for object, err := range r.vault.List(ctx, holdfast.ReportPrefix(name.Host, name.Job)) {
				if !yield(object, err) || err != nil {
					return
				}
			}
		}
	}
}

func parseReportKey(key string) (holdfast.JobName, holdfast.ID, bool) {
	parts := strings.Split(strings.TrimPrefix(key, holdfast.ReportsPrefix), "/")
	if len(parts) != 3 {
		return holdfast.JobName{}, "", false
	}
	text, ok := strings.CutSuffix(parts[2], ".json")
	id, err := holdfast.ParseID(text)
	if !ok || err != nil || holdfast.CheckName("host", parts[0]) != nil || holdfast.CheckName("job", parts[1]) != nil {
		return holdfast.JobName{}, "", false
	}
	return holdfast.JobName{Host: parts[0], Job: parts[1]}, id, true
}

// newerThanBackups reports whether a report came after the newest good backup.
// Where both bear the same second, the vault's clock decides if stored is given.
func (v *view) newerThanBackups(id holdfast.ID, stored time.Time) bool {
	newest := v.newest()
	if newest == nil || id.Time().After(newest.id.Time()) {
		return true
	}
	return id.Time().Equal(newest.id.Time()) && (stored.IsZero() || stored.After(newest.stored))
}

// readReports opens the newest reports that were not seen yet. Only one that is
// newer than the job's newest good backup can be a finding; the others are for
// the history that people see.
func (r *run) readReports(ctx context.Context, reports reportLog) error {
	var group errgroup.Group
	group.SetLimit(r.opts.Concurrency)
	budget := reportsPerRun
	for name, v := range r.look.views {
		log := reports[name]
		if log == nil || v.forgotten {
			continue
		}
		v.reports = log.count
		var fresh []storedReport
		for _, s := range log.newest {
			if s.id > v.report.Seen {
				fresh = append(fresh, s)
			}
		}
		if len(fresh) == 0 || len(fresh) > budget {
			continue // what the budget leaves comes in the next run
		}
		budget -= len(fresh)
		r.count.ReportsRead += len(fresh)
		group.Go(func() error {
			r.hear(ctx, v, fresh)
			return nil
		})
	}
	group.Wait() // never an error
	return ctx.Err()
}

// maxFailures is how many failed runs of a job are remembered.
const maxFailures = 5

// hear reads reports of one job, the oldest first. One that cannot be read now
// is tried again in the next run, with those after it.
func (r *run) hear(ctx context.Context, v *view, reports []storedReport) {
	for _, s := range reports {
		heard, err := r.readReport(ctx, v.name, s.id)
		if err != nil {
			return
		}
		v.report.Seen = s.id
		switch {
		case heard.drill != nil:
			v.drill = heard.drill
		case heard.failure != nil:
			v.failures = slices.Insert(v.failures, 0, *heard.failure)
			v.failures = v.failures[:min(len(v.failures), maxFailures)]
			if v.newerThanBackups(s.id, s.stored) {
				v.report.Failed, v.report.Reason = s.id, heard.failure.Reason
			}
		}
	}
}

// heard is what a report says: of a failed run, of a drill, or nothing where it
// is gone again.
type heard struct {
	failure *Failure
	drill   *Drill
}

// readReport reads one report. One that cannot be understood counts as a
// failure: it is there because something went wrong.
func (r *run) readReport(ctx context.Context, name holdfast.JobName, id holdfast.ID) (heard, error) {
	failed := func(reason string) heard { return heard{failure: &Failure{id, reason}} }
	body, err := r.read(ctx, holdfast.ReportKey(name.Host, name.Job, id), maxReportBody)
	if errors.Is(err, holdfast.ErrNotExist) {
		return heard{}, nil
	}
	if errors.As(err, new(refused)) {
		return failed("its report cannot be read: " + err.Error()), nil
	}
	if err != nil {
		return heard{}, err
	}
	var report holdfast.Report
	if err := json.Unmarshal(body, &report); err != nil {
		return failed("its report cannot be read: " + oneLine(err.Error())), nil
	}
	if report.Kind == holdfast.ReportDrill {
		return heard{drill: &Drill{id, report.OK}}, nil
	}
	reason := cmp.Or(oneLine(report.Error), "no reason given")
	if report.Stage != "" {
		reason = oneLine(report.Stage) + ": " + reason
	}
	return failed(oneLine(reason)), nil
}
