package push

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// commit makes the backup exist at every destination that has all of it. Each
// has a manifest of its own: its parts, and at another broker its id.
func (r *run) commit(ctx context.Context, streams []holdfast.Stream) error {
	live := r.live()
	if r.job.Spool != "" && r.job.KeepLocal > 0 {
		// Before the commit, so that a copy without a manifest is never of a
		// backup that exists; a copy with one, of a backup that does not, goes
		// when the run fails.
		_, signed, err := r.manifest(r.out.ID, live[0], streams)
		if err == nil {
			err = r.spool.write(r.out.ID, holdfast.ManifestFile, signed)
		}
		if err != nil {
			return failed(StageCommit, err)
		}
	}
	var wg sync.WaitGroup
	for _, l := range live {
		wg.Go(func() {
			err := r.commitAt(ctx, l, streams)
			if err != nil && ctx.Err() != nil {
				err = &stopError{cause: context.Cause(ctx), last: err}
			}
			if err != nil {
				l.lose(StageCommit, err)
				r.giveUp(ctx, l, func() {})
				return
			}
			l.committed = true
		})
	}
	wg.Wait()
	return r.allLost()
}

func (r *run) commitAt(ctx context.Context, l *lane, streams []holdfast.Stream) error {
	m, signed, err := r.manifest(l.ID, l, streams)
	if err != nil {
		return err
	}
	etags := map[string][]string{}
	for name, sent := range l.sent {
		etags[name] = sent.etags
	}
	return r.retrier.do(ctx, "commit", l.name, func() error {
		if err := r.tooLate(l); err != nil {
			return err
		}
		return l.Commit(ctx, m, signed, etags)
	})
}

// directLife is how long after its beginning a backup can be committed where this
// host writes by itself, as brokers have it: what is two days old and not
// committed somebody's sweep may be removing just now.
const directLife = 36 * time.Hour

// tooLate returns an error if the backup must not be committed on the lane any
// more. What a broker allows it says itself.
func (r *run) tooLate(l *lane) error {
	// By the clock on the wall, as files have it, which goes on while the host sleeps.
	took := r.Now().Round(0).Sub(r.began.Round(0))
	if l.to.Kind() == KindBroker || took <= directLife {
		return nil
	}
	return &finalError{fmt.Errorf("it took %s, and must not be longer than %s: what is older, others clean up", took.Round(time.Minute), directLife)}
}

// manifest returns the manifest of the backup as the lane has it, and the same
// signed.
func (r *run) manifest(id holdfast.ID, l *lane, streams []holdfast.Stream) (holdfast.Manifest, []byte, error) {
	m := holdfast.Manifest{
		Format:       holdfast.ManifestFormat,
		Ref:          holdfast.Ref{Host: r.job.Host, Job: r.job.Name, ID: id},
		Started:      id.Time(),
		HostStarted:  r.out.Started,
		HostFinished: r.Now().UTC(),
		Pusher:       r.job.Pusher,
	}
	for _, s := range streams {
		s.Checksum, s.Parts = l.Plans[s.Name].Checksum, l.sent[s.Name].parts
		m.Streams = append(m.Streams, s)
	}
	m.Restore = manual(m)
	if err := m.Check(); err != nil {
		return m, nil, err
	}
	signed, err := r.SignManifest(m)
	if err != nil {
		return m, nil, fmt.Errorf("sign manifest: %w", err)
	}
	return m, signed, nil
}
