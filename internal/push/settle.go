package push

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

// stopped says that a run was stopped from outside, and keeps what the cut-off
// work said of it.
func stopped(ctx context.Context, err error) error {
	stage := StageSetup
	if f, ok := err.(*failure); ok {
		stage = f.stage
	}
	return failed(stage, &stopError{cause: context.Cause(ctx), last: err})
}

// stopError prints why the run was stopped; that a tool was killed by it says nothing.
type stopError struct{ cause, last error }

func (e *stopError) Error() string   { return "stopped: " + e.cause.Error() }
func (e *stopError) Unwrap() []error { return []error{e.cause, e.last} }

// settle brings the run to an end, whatever became of it. ctx outlives the run's.
func (r *run) settle(ctx context.Context, err error) {
	if err != nil {
		r.out.fail(err, r.job.Secrets)
		r.abort(ctx)
		r.report(ctx)
		if r.job.Spool != "" {
			r.warn(r.spool.remove(r.begun.ID))
		}
	} else {
		r.out.Status = OK
		if r.job.Spool != "" {
			r.partial(StageSpool, r.spool.keep(r.job.KeepLocal))
		}
	}
	status := "HOLDFAST_STATUS=ok"
	if err != nil {
		status = "HOLDFAST_STATUS=failed"
	}
	for _, hook := range r.job.Hooks.Post {
		// Each of them, whatever became of the others: one may start a service again.
		r.partial(StageHook, r.hook(ctx, hook, status))
	}
	if err != nil {
		r.ping(ctx, "failure", r.job.Heartbeat.Failure)
	} else {
		r.ping(ctx, "success", r.job.Heartbeat.Success)
	}
}

// partial records that something failed after the backup was decided.
func (r *run) partial(stage string, err error) {
	if err == nil {
		return
	}
	if r.out.Status == OK {
		r.out.fail(failed(stage, err), r.job.Secrets)
		r.out.Status = Partial
		return
	}
	r.warn(err)
}

func (r *run) warn(err error) {
	if err != nil {
		r.out.Warnings = append(r.out.Warnings, redact(err.Error(), r.job.Secrets))
	}
}

// lastCall bounds each call to the broker after a run has failed: somebody may
// be waiting for the program to stop, and the broker may be what has failed.
const lastCall = 5 * time.Second

func (r *run) abort(ctx context.Context) {
	if r.begun.ID == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lastCall)
	defer cancel()
	err := r.Broker.Abort(ctx, r.begun.ID, api.AbortRequest{
		UploadToken: r.begun.UploadToken,
		Reason:      head(r.out.Error, holdfast.MaxReportError),
	})
	if err != nil {
		r.warn(fmt.Errorf("abort at the broker: %w", err))
	}
}

func (r *run) report(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lastCall)
	defer cancel()
	_, err := r.Broker.Report(ctx, holdfast.Report{
		Kind: holdfast.ReportFailure, Host: r.job.Host, Job: r.job.Name,
		Backup: r.out.ID, HostTime: r.Now().UTC(), Stage: r.out.Stage,
		Error: head(r.out.Error, holdfast.MaxReportError),
		Tail:  tail(r.out.Tail, holdfast.MaxReportTail), Pusher: r.job.Pusher,
	})
	if err != nil {
		r.warn(fmt.Errorf("report to the broker: %w", err))
	}
}
