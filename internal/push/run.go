package push

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

// Run runs the job once and says what became of it. When ctx ends the run stops
// and fails; what must be done then (abort, report, post hooks, heartbeat) is
// still done, each under a short deadline of its own.
//
// One run of a job at a time: a second one ends at once with ErrRunning, and is
// neither reported nor pinged, since the first one will be. A lock that cannot be
// taken for another reason is reported and pinged like any failure; no hook runs.
func Run(ctx context.Context, job Job, d Deps) Outcome {
	d = d.withDefaults()
	r := &run{job: job, Deps: d, out: Outcome{Host: job.Host, Job: job.Name, Status: Failed, Started: d.Now().UTC()}}
	r.retrier = retrier{Retry: d.Retry, now: d.Now, sleep: d.Sleep, log: d.Log}
	unlock, err := lock(job.StateDir, job.Name)
	if err != nil {
		r.out.fail(failed(StageLock, err), job.Secrets)
		if !errors.Is(err, ErrRunning) {
			r.report(ctx)
			r.ping(ctx, "failure", job.Heartbeat.Failure)
		}
		return r.ended()
	}
	defer unlock()
	if job.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, job.Timeout, fmt.Errorf("not finished within %s", job.Timeout))
		defer cancel()
	}
	r.ping(ctx, "start", job.Heartbeat.Start)
	err = r.backup(ctx)
	if err != nil && ctx.Err() != nil {
		err = stopped(ctx, err)
	}
	r.settle(context.WithoutCancel(ctx), err)
	return r.ended()
}

// run is the state of one run.
type run struct {
	Deps
	retrier retrier
	job     Job
	out     Outcome
	spool   spool
	begun   api.StartResponse
}

func (r *run) ended() Outcome {
	r.out.Seconds = r.Now().Sub(r.out.Started).Seconds()
	return r.out
}

// backup does everything up to the commit.
func (r *run) backup(ctx context.Context) error {
	if err := r.job.check(); err != nil {
		return failed(StageSetup, err)
	}
	if r.job.Spool != "" {
		r.spool = spool{dir: r.job.Spool, job: r.job.Name}
		if err := r.spool.clean(); err != nil {
			return failed(StageSpool, err)
		}
	}
	if err := r.hooks(ctx, r.job.Hooks.Pre); err != nil {
		return failed(StageHook, err)
	}
	if err := r.start(ctx); err != nil {
		return failed(StageStart, err)
	}
	sent, err := r.send(ctx)
	if err != nil {
		return err
	}
	return failed(StageCommit, r.commit(ctx, sent))
}

// start has the broker admit the backup.
func (r *run) start(ctx context.Context) error {
	req := api.StartRequest{Job: r.job.Name, Pusher: r.job.Pusher}
	for _, s := range r.job.Sources {
		req.Streams = append(req.Streams, api.StartStream{Name: s.Stream, File: r.job.file(s)})
	}
	err := r.retrier.do(ctx, "start", func() (err error) {
		r.begun, err = r.Broker.Start(ctx, req)
		return err
	})
	if err != nil {
		return err
	}
	// It becomes the name of a directory in the spool.
	r.out.ID, err = holdfast.ParseID(string(r.begun.ID))
	if err != nil {
		r.begun.ID = ""
	}
	return err
}

// plan returns how the broker wants the stream to be sent.
func (r *run) plan(name string) (api.StreamPlan, error) {
	for _, p := range r.begun.Uploads {
		if p.Name == name {
			return p, nil
		}
	}
	return api.StreamPlan{}, fmt.Errorf("broker has begun no upload for stream %q", name)
}

// send dumps every source and brings it to the store, straight or by way of the
// spool. With a spool all sources are dumped first, so that they are of one
// moment however slow the line is.
func (r *run) send(ctx context.Context) ([]sentStream, error) {
	s := &sender{
		client: r.HTTP, broker: r.Broker, retry: r.retrier, pool: newPool(),
		id: r.begun.ID, token: r.begun.UploadToken, left: r.begun.MaxSize,
	}
	var all []sentStream
	for _, source := range r.job.Sources {
		var one sentStream
		var err error
		if r.job.Spool != "" {
			one, err = r.dumpToSpool(ctx, source)
		} else {
			one, err = r.dumpToStore(ctx, s, source)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	for i := range all {
		if r.job.Spool != "" {
			if err := r.sendSpooled(ctx, s, &all[i]); err != nil {
				return nil, failed(StageUpload, err)
			}
		}
		r.out.add(all[i].Stream)
	}
	return all, nil
}

func (o *Outcome) add(s holdfast.Stream) {
	o.PlainSize += s.PlainSize
	o.StoredSize += s.StoredSize
	o.Streams = append(o.Streams, StreamOutcome{s.Name, s.File, s.PlainSize, s.StoredSize, len(s.Parts), s.Source})
}
