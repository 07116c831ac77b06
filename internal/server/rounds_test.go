package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/monitor"
	"github.com/holdfast-backup/holdfast/internal/rounds"
)

// roundVault is an empty vault that counts rounds. What it does not implement
// panics.
type roundVault struct {
	holdfast.Vault
	mu      sync.Mutex
	watched []time.Time
	cleaned []time.Time
	list    func(ctx context.Context) // before every listing
	sweep   func(ctx context.Context) error
}

func (v *roundVault) List(ctx context.Context, _ string) iter.Seq2[holdfast.Object, error] {
	return func(yield func(holdfast.Object, error) bool) {
		if v.list != nil {
			v.list(ctx)
		}
		if err := ctx.Err(); err != nil {
			yield(holdfast.Object{}, err)
		}
	}
}

func (v *roundVault) ListUploads(ctx context.Context, _ string) iter.Seq2[holdfast.Upload, error] {
	return func(yield func(holdfast.Upload, error) bool) {
		v.mu.Lock()
		v.cleaned = append(v.cleaned, time.Now())
		v.mu.Unlock()
		if v.sweep == nil {
			return
		}
		if err := v.sweep(ctx); err != nil {
			yield(holdfast.Upload{}, err)
		}
	}
}

func (v *roundVault) Load(context.Context, string) ([]byte, string, error) {
	return nil, "", holdfast.ErrNotExist
}

func (v *roundVault) Swap(_ context.Context, key string, _ []byte, _ string) (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if key != monitor.StateKey {
		return "tag", nil // of what comes after the round
	}
	v.watched = append(v.watched, time.Now())
	return "tag", nil
}

func (v *roundVault) rounds() (watched, cleaned int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.watched), len(v.cleaned)
}

// roundsFor lets a server with these vaults do its rounds for so long, the
// monitor every five minutes and retention every hour, and returns its log.
func roundsFor(t *testing.T, length time.Duration, vaults map[string]holdfast.Vault) string {
	t.Helper()
	var log bytes.Buffer
	s := &Server{
		o:      Options{Now: time.Now, Log: slog.New(slog.NewTextHandler(&log, nil)), Config: &config.Holdfast{}},
		vaults: vaults, monitorNow: make(chan struct{}, 1),
	}
	s.o.Config.Schedule.Retention = holdfast.Span{N: 1, Unit: holdfast.Hour}
	s.o.Config.Schedule.Monitor = holdfast.Span{N: 5, Unit: holdfast.Minute}
	if err := s.Reload(t.Context(), s.o.Config); err != nil {
		t.Fatal(err)
	}
	s.watcher.Store(rounds.NewWatcher(rounds.WatcherOptions{Rounds: s.round()}))
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	stopped, stop := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, stop)
	s.rounds(stopped) // it must end with the context
	return log.String()
}

// hang waits for the end of a context, as a vault that does not answer.
func hang(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestASlowSweepDoesNotStopTheMonitor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &roundVault{sweep: hang}
		log := roundsFor(t, 150*time.Minute+time.Second, map[string]holdfast.Vault{"main": v})
		if watched, cleaned := v.rounds(); watched != 31 || cleaned != 3 {
			t.Errorf("%d rounds of the monitor and %d of retention, want 31 and 3", watched, cleaned)
		}
		if n := strings.Count(log, "deadline exceeded"); n != 2 {
			t.Errorf("%d deadlines are logged, want 2:\n%s", n, log)
		}
	})
}

func TestAVaultThatHangsDoesNotStopTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad, good := &roundVault{list: func(ctx context.Context) { hang(ctx) }}, &roundVault{}
		roundsFor(t, time.Hour+time.Second, map[string]holdfast.Vault{"bad": bad, "good": good})
		watched, cleaned := good.rounds()
		if watched != 5 || cleaned != 2 { // at 0, 15, 30, 45 and 60 minutes
			t.Errorf("%d rounds of the monitor and %d of retention in the vault that answers, want 5 and 2", watched, cleaned)
		}
	})
}

func TestAPanicInARoundIsLoggedAndTheNextOneRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listings := 0
		var mu sync.Mutex
		v := &roundVault{list: func(context.Context) {
			mu.Lock()
			defer mu.Unlock()
			if listings++; listings <= 2 {
				panic(fmt.Sprint("listing ", listings))
			}
		}}
		log := roundsFor(t, time.Hour+time.Second, map[string]holdfast.Vault{"main": v})
		if watched, cleaned := v.rounds(); watched != 12 || cleaned != 1 {
			t.Errorf("%d rounds of the monitor and %d of retention were done, want 12 and 1", watched, cleaned)
		}
		for _, want := range []string{`msg=retention vault=main err="panic: listing`, `msg=monitor vault=main err="panic: listing`} {
			if !strings.Contains(log, want) {
				t.Errorf("the log lacks %q:\n%s", want, log)
			}
		}
	})
}

func TestStoppingIsNoFinding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &roundVault{list: func(ctx context.Context) { hang(ctx) }, sweep: func(context.Context) error { return errors.New("not reached") }}
		if log := roundsFor(t, time.Minute, map[string]holdfast.Vault{"main": v}); log != "" {
			t.Errorf("logged:\n%s", log)
		}
	})
}
