package push

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-backup/holdfast"
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
	defer r.close()
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
	r.settle(ctx, err)
	return r.ended()
}

// run is the state of one run.
type run struct {
	Deps
	retrier  retrier
	job      Job
	out      Outcome
	spool    spool
	lanes    []*lane
	aborting sync.WaitGroup
	began    time.Time     // when it began at the destinations, by the host's clock
	timed    bool          // a broker told its time
	skew     time.Duration // by how much that is ahead of the host's
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
	if err := r.begin(ctx); err != nil {
		return err
	}
	streams, err := r.send(ctx)
	if err != nil {
		return err
	}
	return r.commit(ctx, streams)
}

// send dumps every source and brings it to the destinations, straight or by way
// of the spool. With a spool all sources are dumped first, so that they are of
// one moment however slow the line is.
func (r *run) send(ctx context.Context) ([]holdfast.Stream, error) {
	s := &sender{
		pool: newPool(), retry: r.retrier,
		lost: func(l *lane, idle func()) { r.giveUp(ctx, l, idle) },
	}
	var all []holdfast.Stream
	for _, source := range r.job.Sources {
		var one holdfast.Stream
		var err error
		if r.job.Spool != "" {
			one, err = r.dumpToSpool(ctx, source)
		} else {
			one, err = r.dumpToLanes(ctx, s, source)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	for _, one := range all {
		if r.job.Spool != "" {
			if err := r.sendSpooled(ctx, s, one); err != nil {
				return nil, err
			}
		}
		r.out.add(one, len(r.live()[0].sent[one.Name].parts))
	}
	return all, nil
}

func (o *Outcome) add(s holdfast.Stream, parts int) {
	o.PlainSize += s.PlainSize
	o.StoredSize += s.StoredSize
	o.Streams = append(o.Streams, StreamOutcome{s.Name, s.File, s.PlainSize, s.StoredSize, parts, s.Source})
}

// close lets go of the destinations.
func (r *run) close() {
	for _, to := range r.destinations() {
		if err := to.Close(); err != nil {
			r.Log.Info("close destination", "to", to.Name(), "err", err)
		}
	}
}
