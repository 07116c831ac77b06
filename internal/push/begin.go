package push

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"sync"

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
	r.beginAt(ctx, brokers, start)
	for _, b := range brokers {
		if start.ID == "" {
			start.ID = b.begun.ID
		}
	}
	if start.ID == "" && len(direct) > 0 {
		id, err := holdfast.NewID(r.Now(), rand.Reader)
		if err != nil {
			return failed(StageStart, err)
		}
		start.ID = id
	}
	r.out.ID = start.ID
	r.beginAt(ctx, direct, start)
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
	err   error
}

// beginAt begins the backup at several destinations at once.
func (r *run) beginAt(ctx context.Context, all []*beginning, start Start) {
	var wg sync.WaitGroup
	for _, b := range all {
		wg.Go(func() {
			b.err = r.retrier.do(ctx, "start at "+b.to.Name(), func() (err error) {
				b.begun, err = b.to.Begin(ctx, start)
				return err
			})
		})
	}
	wg.Wait()
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

// checkReached warns of vaults of the job that nothing reaches: the broker cannot
// sign for them, and this host knows no way there.
func (r *run) checkReached(b *beginning) {
	for _, vault := range b.begun.Direct {
		if !slices.ContainsFunc(r.Destinations, func(to Destination) bool {
			return to.Name() == vault || to.Kind() == KindSFTP
		}) {
			r.warn(fmt.Errorf("%s: the job also belongs into vault %q, which hosts have to reach by themselves, and no destination of this host is that",
				b.to.Name(), holdfast.Printable(vault)))
		}
	}
}
