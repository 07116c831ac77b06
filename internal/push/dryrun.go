package push

import (
	"context"
	"io"
)

// DryRun dumps every source of the job through compression and encryption to
// nowhere, so that sizes and proofs are real. It runs no hooks, pings nothing,
// asks no broker for anything, sends and writes nothing; Deps needs neither
// Destinations nor SignManifest. It takes the job's lock as a run does: two dumps of
// one database at once are not harmless.
func DryRun(ctx context.Context, job Job, d Deps) Outcome {
	d = d.withDefaults()
	r := &run{job: job, Deps: d, out: Outcome{Host: job.Host, Job: job.Name, Status: Failed, DryRun: true, Started: d.Now().UTC()}}
	unlock, err := lock(job.StateDir, job.Name)
	if err != nil {
		r.out.fail(failed(StageLock, err), job.Secrets)
		return r.ended()
	}
	defer unlock()
	if err := r.rehearse(ctx); err != nil {
		if ctx.Err() != nil {
			err = stopped(ctx, err)
		}
		r.out.fail(err, job.Secrets)
		return r.ended()
	}
	r.out.Status = OK
	return r.ended()
}

func (r *run) rehearse(ctx context.Context) error {
	if err := r.job.check(); err != nil {
		return failed(StageSetup, err)
	}
	for _, source := range r.job.Sources {
		described, err := r.dump(ctx, source, io.Discard, func(error) {})
		if err != nil {
			return err
		}
		r.out.add(described, 0)
	}
	return nil
}
