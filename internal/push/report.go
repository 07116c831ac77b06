package push

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// lastCall bounds each call to a destination after something has failed: somebody
// may be waiting for the program to stop, and the destination may be what has
// failed.
const lastCall = 5 * time.Second

// giveUp aborts what was begun on a lane once idle returns, beside whatever else
// goes on; settle waits for it. ctx may have ended.
func (r *run) giveUp(ctx context.Context, l *lane, idle func()) {
	_, err := l.lost()
	r.Log.Info("gave up a destination", "host", r.job.Host, "job", r.job.Name, "to", l.name, "err", redact(err.Error(), r.job.Secrets))
	r.abort(ctx, l, redact(err.Error(), r.job.Secrets), idle)
}

func (r *run) abort(ctx context.Context, l *lane, reason string, idle func()) {
	if l.Carrier == nil {
		return
	}
	r.aborting.Go(func() {
		idle()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastCall)
		defer cancel()
		if err := l.Abort(ctx, head(reason, holdfast.MaxReportError)); err != nil {
			l.abortErr = fmt.Errorf("abort at %s: %w", l.name, err)
		}
	})
}

// abortAll aborts what is neither committed nor given up already, and waits for
// all that is being aborted.
func (r *run) abortAll(ctx context.Context) {
	for _, l := range r.live() {
		if !l.committed {
			r.abort(ctx, l, r.out.Error, func() {})
		}
	}
	r.aborting.Wait()
	for _, l := range r.lanes {
		r.warn(l.abortErr)
	}
}

// report tells every destination that the run went wrong, also those where it
// did not: the monitor may see one of them only.
func (r *run) report(ctx context.Context) {
	all := r.destinations()
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, to := range all {
		wg.Go(func() { errs[i] = r.reportTo(ctx, to) })
	}
	wg.Wait()
	for _, err := range errs {
		r.warn(err)
	}
}

func (r *run) reportTo(ctx context.Context, to Destination) error {
	ctx, cancel := context.WithTimeout(ctx, lastCall)
	defer cancel()
	now := r.Now().UTC()
	id, err := holdfast.NewID(now, rand.Reader)
	if err == nil {
		err = to.Report(ctx, holdfast.Report{
			Kind: holdfast.ReportFailure, Host: r.job.Host, Job: r.job.Name, ID: id,
			Backup: r.backupAt(to), HostTime: now, Stage: r.out.Stage,
			Error: head(r.out.Error, holdfast.MaxReportError),
			Tail:  tail(r.out.Tail, holdfast.MaxReportTail), Pusher: r.job.Pusher,
		})
	}
	if err != nil {
		return fmt.Errorf("report to %s: %w", to.Name(), err)
	}
	return nil
}

// backupAt returns the id of the backup that was begun at the destination, as far
// as one was.
func (r *run) backupAt(to Destination) holdfast.ID {
	for _, l := range r.lanes {
		if l.to == to && l.ID != "" {
			return l.ID
		}
	}
	return r.out.ID
}
