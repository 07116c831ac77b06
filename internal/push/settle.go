package push

import "context"

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

// settle brings the run to an end, whatever became of it, and even where ctx has
// ended. err is why no destination has the backup; nil where one does.
func (r *run) settle(running context.Context, err error) {
	ctx := context.WithoutCancel(running)
	if err != nil {
		r.out.fail(err, r.job.Secrets)
	} else {
		r.out.Status = OK
		err = r.losses()
		r.partial(err)
	}
	r.abortAll(ctx)
	r.deliveries()
	if err != nil {
		r.report(ctx)
	}
	if r.job.Spool != "" {
		if r.out.Status == Failed {
			r.warn(r.spool.remove(r.out.ID))
		} else {
			r.partial(failed(StageSpool, r.spool.keep(r.job.KeepLocal)))
		}
	}
	r.thin(running) // not where somebody waits for the run to stop
	status := "HOLDFAST_STATUS=" + string(r.out.Status)
	for _, hook := range r.job.Hooks.Post {
		// Each of them, whatever became of the others: one may start a service again.
		r.partial(failed(StageHook, r.hook(ctx, hook, status)))
	}
	if err != nil {
		r.ping(ctx, "failure", r.job.Heartbeat.Failure)
	} else {
		r.ping(ctx, "success", r.job.Heartbeat.Success)
	}
}

// deliveries records what became of each lane.
func (r *run) deliveries() {
	for _, l := range r.lanes {
		d := DeliveryOutcome{Name: l.to.Name(), Vault: l.Vault, ID: l.ID, Status: OK}
		stage, err := l.lost()
		switch {
		case err != nil:
			d.Status, d.Stage, d.Error = Failed, stage, redact(err.Error(), r.job.Secrets)
		case !l.committed:
			d.Status = Failed
		}
		for _, sent := range l.sent {
			d.Parts += len(sent.parts)
		}
		r.out.Deliveries = append(r.out.Deliveries, d)
	}
}

// partial records that a part of the run failed, a failure, after the backup was
// made somewhere.
func (r *run) partial(err error) {
	if err == nil {
		return
	}
	if r.out.Status == OK {
		r.out.fail(err, r.job.Secrets)
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
