package server

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/monitor"
	"github.com/holdfast-backup/holdfast/internal/retention"
	"github.com/holdfast-backup/holdfast/internal/rounds"
)

// settle is how long the monitor waits after a backup has arrived, so that many
// at once make one round.
const settle = 2 * time.Second

// reread is how much of the stored data each of the server's rounds reads again:
// at a round every five minutes 18 GB a day, which leaves the disk to others.
const reread int64 = 64 << 20 // bytes

// arrived asks the monitor to look at what the broker has just committed.
func (s *Server) arrived(holdfast.Ref) {
	select {
	case s.monitorNow <- struct{}{}:
	default: // one is asked for already
	}
}

// rounds does retention and monitoring until ctx ends: at once, then on their
// schedules, the monitor also when something arrives. One follows the other,
// so that the monitor never looks at a vault that is half thinned out.
func (s *Server) rounds(ctx context.Context) {
	every := s.o.Config.Schedule
	cleaning, watching := time.NewTicker(every.Retention.Duration()), time.NewTicker(every.Monitor.Duration())
	defer cleaning.Stop()
	defer watching.Stop()
	s.clean(ctx)
	s.watch(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-cleaning.C:
			s.clean(ctx)
		case <-watching.C:
			s.watch(ctx)
		case <-s.monitorNow:
			select {
			case <-ctx.Done():
				return
			case <-time.After(settle):
			}
			s.watch(ctx)
		}
	}
}

func (s *Server) round() rounds.Rounds {
	return rounds.Rounds{Registry: func() *config.Registry { return s.registry.Load() }, Now: s.o.Now}
}

// clean runs retention once and logs what it did and found.
func (s *Server) clean(ctx context.Context) {
	all, err := s.round().Retention(ctx, s.vaults, retention.Options{})
	for _, c := range all {
		for _, j := range c.Jobs {
			if n := len(j.Outcome.Deleted); n > 0 {
				s.o.Log.Info("thinned out", "vault", c.Vault, "host", j.Host, "job", j.Job, "deleted", n, "size", j.Outcome.Bytes, "kept", j.Kept)
			}
		}
		if swept := c.Swept; len(swept.Uploads)+len(swept.Orphans) > 0 {
			s.o.Log.Warn("swept leftovers", "vault", c.Vault, "uploads", len(swept.Uploads), "orphans", len(swept.Orphans), "size", swept.Bytes)
		}
		for _, f := range c.Findings {
			s.o.Log.Warn("retention: "+f.Summary, "vault", c.Vault, "host", f.Host, "job", f.Job, "check", f.Check)
		}
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		s.o.Log.Error("retention", "err", err)
	}
}

// watch runs the monitor once and logs what changed.
func (s *Server) watch(ctx context.Context) {
	all, err := s.round().Monitor(ctx, rounds.ToMonitor(s.vaults), monitor.Options{HashBytes: reread})
	for _, result := range all {
		for _, t := range result.Transitions {
			if t.Change != monitor.Still {
				s.o.Log.Warn("monitor: "+string(t.Change)+": "+t.Finding.Summary, "vault", result.Vault, "host", t.Finding.Host, "job", t.Finding.Job, "check", t.Finding.Check, "severity", t.Finding.Severity)
			}
		}
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		s.o.Log.Error("monitor", "err", err)
	}
}
