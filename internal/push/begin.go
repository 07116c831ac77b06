package push

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

// destinations returns those of the job.
func (r *run) destinations() []Destination {
	var of []Destination
	for _, to := range r.Destinations {
		if len(r.job.To) == 0 || slices.Contains(r.job.To, to.Name()) {
			of = append(of, to)
		}
	}
	return of
}

// othersWait is how long a destination that does not answer may hold up others.
// One that is not there by then the run leaves out.
const othersWait = time.Minute

// begin begins the backup at every destination. Brokers come first, since one
// that admits it names it; where none does the host's clock has to.
func (r *run) begin(ctx context.Context) error {
	start := Start{Host: r.job.Host, Job: r.job.Name, Pusher: r.job.Pusher}
	for _, s := range r.job.Sources {
		start.Streams = append(start.Streams, api.StartStream{Name: s.Stream, File: r.job.file(s)})
	}
	var all, brokers, direct []*beginning
	for _, to := range r.destinations() {
		b := &beginning{to: to}
		all = append(all, b)
		if to.Kind() == KindBroker {
			brokers = append(brokers, b)
		} else {
			direct = append(direct, b)
		}
	}
	r.began = r.Now()
	if len(direct) > 0 {
		r.beginWithin(ctx, othersWait, brokers, start)
	} else {
		r.beginAt(ctx, r.retrier, brokers, start)
	}
	for _, b := range brokers {
		if start.ID == "" {
			start.ID = b.begun.ID
		}
		r.compareClocks(b)
	}
	if start.ID == "" && len(direct) > 0 {
		id, err := holdfast.NewID(r.Now(), rand.Reader)
		if err != nil {
			return failed(StageStart, err)
		}
		start.ID = id
	}
	r.out.ID = start.ID
	if len(all) > 1 {
		r.beginWithin(ctx, othersWait, direct, start)
	}
	if !slices.ContainsFunc(all, (*beginning).done) {
		r.beginAt(ctx, r.retrier, direct, start) // there is nobody to hold up
	}
	for _, b := range all {
		r.lanes = append(r.lanes, b.lanes(start.Streams)...)
		r.checkReached(b)
	}
	for _, l := range r.lanes {
		if _, err := l.lost(); err != nil {
			r.giveUp(ctx, l, func() {})
		}
	}
	if ctx.Err() != nil {
		return failed(StageStart, context.Cause(ctx))
	}
	return r.allLost()
}

// beginning is the begin of the backup at one destination.
type beginning struct {
	to    Destination
	begun Begun
	at    time.Time // when it had, by the host's clock
	last  error     // of an attempt that was not cut short
	err   error
}

// done reports whether the backup was begun there.
func (b *beginning) done() bool { return !b.at.IsZero() && b.err == nil }

// beginAt begins the backup at several destinations at once, each tried for as
// long as retry says.
func (r *run) beginAt(ctx context.Context, retry retrier, all []*beginning, start Start) {
	var wg sync.WaitGroup
	for _, b := range all {
		wg.Go(func() {
			b.err = retry.do(ctx, "start", b.to.Name(), func() (err error) {
				b.begun, err = b.to.Begin(ctx, start)
				b.at = r.Now()
				if err != nil && ctx.Err() == nil {
					b.last = err
				}
				return err
			})
		})
	}
	wg.Wait()
}

// beginWithin is beginAt for no longer than wait, also where a call hangs.
func (r *run) beginWithin(ctx context.Context, wait time.Duration, all []*beginning, start Start) {
	retry := r.retrier
	retry.GiveUp = min(retry.GiveUp, wait)
	late := fmt.Errorf("no answer within %s", wait)
	within, cancel := context.WithTimeoutCause(ctx, wait, late)
	defer cancel()
	r.beginAt(within, retry, all, start)
	for _, b := range all {
		if errors.Is(b.err, late) && b.last != nil {
			b.err = fmt.Errorf("%w (given up after %s)", b.last, wait)
		}
	}
}

// lanes returns a lane for each vault of the destination, also for those that
// are lost from the first.
func (b *beginning) lanes(streams []api.StartStream) []*lane {
	if b.err != nil {
		l := newLane(b.to, Delivery{})
		l.lose(StageStart, b.err)
		return []*lane{l}
	}
	var lanes []*lane
	for _, d := range b.begun.Deliveries {
		l := newLane(b.to, d)
		if err := d.check(streams); err != nil {
			l.lose(StageStart, err)
		}
		lanes = append(lanes, l)
	}
	for _, u := range b.begun.Unavailable {
		l := newLane(b.to, Delivery{Vault: u.Vault, ID: b.begun.ID})
		l.lose(StageStart, fmt.Errorf("takes no backup now: %s", holdfast.Printable(u.Reason)))
		lanes = append(lanes, l)
	}
	return lanes
}

// check returns an error unless every stream can be sent as it must be.
func (d Delivery) check(streams []api.StartStream) error {
	for _, s := range streams {
		plan, ok := d.Plans[s.Name]
		switch {
		case !ok:
			return fmt.Errorf("no upload was begun for stream %q", s.Name)
		case newSum(plan.Checksum) == nil:
			return fmt.Errorf("checksum %q is asked for, which this version does not know", plan.Checksum)
		case plan.MaxParts < 1 || plan.MaxParts > holdfast.MaxParts:
			return fmt.Errorf("%d parts are allowed, want 1 to %d", plan.MaxParts, holdfast.MaxParts)
		}
	}
	return nil
}

// maxSkew is by how much the host's clock may differ before a run warns of it.
const maxSkew = 5 * time.Minute

// compareClocks compares the host's clock with that of a broker, which it goes by
// from then on where it decides what to keep.
func (r *run) compareClocks(b *beginning) {
	if b.err != nil || b.begun.Now.IsZero() {
		return
	}
	skew := b.begun.Now.Sub(b.at)
	if !r.timed {
		r.timed, r.skew = true, skew
	}
	if skew.Abs() > maxSkew {
		r.warn(fmt.Errorf("this host's clock differs by %s from that of %s", skew.Abs().Round(time.Second), b.to.Name()))
	}
}

// checkReached warns of vaults of the job that the run does not reach: the broker
// cannot sign for them.
func (r *run) checkReached(b *beginning) {
	for _, vault := range b.begun.Direct {
		if !r.reaches(vault) {
			r.warn(fmt.Errorf("%s: the job also belongs into vault %q, which hosts have to reach by themselves, and no destination of this run is that",
				b.to.Name(), holdfast.Printable(vault)))
		}
	}
}

// reaches reports whether a destination of the run is that vault: the one of its
// name, or else the only server there is, which may have another name here.
func (r *run) reaches(vault string) bool {
	servers := 0
	for _, to := range r.destinations() {
		if to.Kind() == KindBroker {
			continue
		}
		if to.Name() == vault {
			return true
		}
		if to.Kind() == KindSFTP {
			servers++
		}
	}
	return servers == 1
}
