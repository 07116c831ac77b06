package server

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
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
func (s *Server) arrived(string, holdfast.Ref) {
	select {
	case s.monitorNow <- struct{}{}:
	default: // one is asked for already
	}
}

// How long a round may take in one vault. What it does not reach the next one does.
const (
	cleaningTime = time.Hour
	watchingTime = 15 * time.Minute
)

// rounds does retention and monitoring until ctx ends: at once, then on their
// schedules, the monitor also when something arrives. Neither waits for the
// other: a vault that is slow to be thinned out must not blind the monitor.
func (s *Server) rounds(ctx context.Context) {
	every := s.o.Config.Schedule
	var running sync.WaitGroup
	running.Go(func() {
		s.repeat(ctx, every.Retention.Duration(), nil, func() { s.inEachVault(ctx, "retention", cleaningTime, s.clean) })
	})
	running.Go(func() {
		s.repeat(ctx, every.Monitor.Duration(), s.monitorNow, func() { s.lookAround(ctx) })
	})
	running.Wait()
}

// repeat calls do until ctx ends: at once, then every so often and when asked.
func (s *Server) repeat(ctx context.Context, every time.Duration, asked <-chan struct{}, do func()) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for do(); ; do() {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-asked:
			select {
			case <-ctx.Done():
				return
			case <-time.After(settle):
			}
		}
	}
}

// inEachVault does a round in all vaults at once, in each with a deadline of its
// own, so that none can hold up another's for longer than that. A panic ends the
// round in its vault and nothing else.
func (s *Server) inEachVault(ctx context.Context, what string, limit time.Duration, do func(context.Context, map[string]holdfast.Vault)) {
	var running sync.WaitGroup
	for name, vault := range s.vaults {
		running.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, limit)
			defer cancel()
			defer func() {
				if p := recover(); p != nil {
					s.o.Log.Error(what, "vault", name, "err", fmt.Sprintf("panic: %v", p), "stack", string(debug.Stack()))
				}
			}()
			do(ctx, map[string]holdfast.Vault{name: vault})
		})
	}
	running.Wait()
}

func (s *Server) round() rounds.Rounds {
	return rounds.Rounds{Registry: func() *config.Registry { return s.registry.Load() }, Now: s.o.Now}
}

// clean runs retention once and logs what it did and found.
func (s *Server) clean(ctx context.Context, vaults map[string]holdfast.Vault) {
	all, err := s.round().Retention(ctx, vaults, retention.Options{})
	for _, c := range all {
		c.Log(s.o.Log)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		s.o.Log.Error("retention", "err", err)
	}
}

// lookAround does a round of the monitor in all vaults, between two beats of its heart.
func (s *Server) lookAround(ctx context.Context) {
	watcher := s.watcher.Load()
	var running sync.WaitGroup
	running.Go(func() { s.beat(watcher.Begin(ctx)) })
	var fine atomic.Int64
	s.inEachVault(ctx, "monitor", watchingTime, func(ctx context.Context, vaults map[string]holdfast.Vault) {
		for name, vault := range vaults {
			if s.watch(ctx, watcher, name, vault) {
				fine.Add(1)
			}
		}
	})
	running.Wait()
	if ctx.Err() == nil { // else the server stops, which is no failure
		s.beat(watcher.End(ctx, int(fine.Load()) == len(s.vaults)))
	}
}

func (s *Server) beat(err error) {
	if err != nil {
		s.o.Log.Warn("heartbeat", "err", err)
	}
}

// watch does a round of the monitor in one vault and logs what changed. It
// reports whether the monitor did all that it is there for.
func (s *Server) watch(ctx context.Context, watcher *rounds.Watcher, name string, vault holdfast.Vault) bool {
	round := watcher.Vault(ctx, name, vault, monitor.Options{HashBytes: reread})
	if errors.Is(ctx.Err(), context.Canceled) && !round.Remembered {
		return false // the server stops; that says nothing of the vault
	}
	round.Log(s.o.Log)
	return round.Fine()
}
