package rounds

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert"
	"github.com/holdfast-backup/holdfast/internal/heartbeat"
	"github.com/holdfast-backup/holdfast/internal/monitor"
	"github.com/holdfast-backup/holdfast/internal/status"
)

// WatcherOptions say how a Watcher tells people. All but Rounds may be left out.
type WatcherOptions struct {
	Rounds
	// Channels through which people are told, by name.
	Channels map[string]holdfast.Channel
	// Broken says of channels that they could not be set up, and why.
	Broken map[string]error
	// Link returns a signed URL of the status page of a vault, "" where there is none.
	Link func(ctx context.Context, vault string) (string, error)
	// Program is the name and version that the page shows.
	Program string
	// HTTP pings heartbeats; http.DefaultClient if nil.
	HTTP *http.Client
}

// Watcher judges vaults, tells people what they have to be told, and shows the
// state of everything. One process has one, since it remembers what could not be
// saved. It is safe for concurrent use.
type Watcher struct {
	o      WatcherOptions
	mu     sync.Mutex
	vaults map[string]*watched
	before []status.Vault // as another Watcher has seen them last
}

// watched is what the Watcher remembers of a vault.
type watched struct {
	teller *alert.Teller
	round  sync.Mutex // one at a time tells and shows
	show   showing
}

// NewWatcher returns a Watcher that has seen nothing yet.
func NewWatcher(o WatcherOptions) *Watcher {
	if o.HTTP == nil {
		o.HTTP = http.DefaultClient
	}
	return &Watcher{o: o, vaults: map[string]*watched{}}
}

// TakeOver has a new Watcher show what another has seen last, until its own first round.
func (w *Watcher) TakeOver(last *Watcher) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.before = last.Status().Vaults
}

// Watched is what came of a round in one vault.
type Watched struct {
	monitor.Result
	Alerts alert.Outcome
	// Judging is why the vault could not be judged, Telling why the state of
	// the alerts is not known, Showing why the page could not be written.
	Judging, Telling, Showing error
	channels                  int
}

// Fine reports whether the monitor did all that it is there for: it judged the
// vault, will remember that, and whoever has to be told has been told. Where
// nobody can be told, nothing may be wrong.
func (w Watched) Fine() bool {
	if w.Judging != nil || w.Telling != nil || w.Showing != nil || !w.Remembered || !w.Alerts.Remembered || w.Alerts.Untold > 0 {
		return false
	}
	return w.channels > 0 || len(w.Open) == 0
}

// How long what comes after judging may take, also after the deadline of the
// round: recalling the last page, telling people, writing the page. A vault that
// hangs must leave the time to say so.
const (
	recallTime = 5 * time.Second
	tellTime   = time.Minute
	showTime   = 20 * time.Second
)

// Vault does a round in one vault, with options that say how much to spend. Where
// ctx was cancelled nobody is told anything.
func (w *Watcher) Vault(ctx context.Context, name string, vault holdfast.Vault, o monitor.Options) Watched {
	known := w.vault(name, vault)
	collector := status.NewCollector(name, w.o.policies(name), w.o.Now())
	if o.Jobs == nil && o.Only == nil {
		o.Observe = collector.Observe
	}
	all, err := w.o.Monitor(ctx, map[string]monitor.Vault{name: vault}, o)
	round := Watched{Result: all[0], Judging: err, channels: len(w.o.Registry().Alerts().Channels)}
	if errors.Is(ctx.Err(), context.Canceled) && !round.Remembered {
		return round
	}
	known.round.Lock()
	defer known.round.Unlock()
	ctx = context.WithoutCancel(ctx)
	within(ctx, recallTime, func(ctx context.Context) { known.show.recall(ctx, vault) })
	facts := w.facts(name, round.Result)
	facts.Previous = known.show.last.Load()
	now := collector.Vault(facts)
	within(ctx, tellTime, func(ctx context.Context) {
		round.Alerts, round.Telling = known.teller.Run(ctx, input(round.Result, now))
	})
	facts.Channels, facts.Silences = channels(round.Alerts), silences(round.Alerts)
	now = collector.Vault(facts)
	known.show.last.Store(&now)
	if round.Whole {
		within(ctx, showTime, func(ctx context.Context) {
			round.Showing = known.show.page(ctx, vault, status.Status{
				Version: status.FormatVersion, At: round.At, Program: w.o.Program, Vaults: []status.Vault{now},
			})
		})
	}
	return round
}

func within(ctx context.Context, limit time.Duration, do func(context.Context)) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	do(ctx)
}

// Status returns the state of all vaults as the last rounds saw it.
func (w *Watcher) Status() status.Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := status.Status{Version: status.FormatVersion, At: w.o.Now().UTC(), Program: w.o.Program, Vaults: []status.Vault{}}
	for _, name := range w.o.Registry().Vaults() {
		if known := w.vaults[name]; known != nil && known.show.last.Load() != nil {
			s.Vaults = append(s.Vaults, *known.show.last.Load())
		} else if i := slices.IndexFunc(w.before, func(v status.Vault) bool { return v.Name == name }); i >= 0 {
			s.Vaults = append(s.Vaults, w.before[i])
		}
	}
	return s
}

// vault returns what is remembered of a vault.
func (w *Watcher) vault(name string, vault holdfast.Stater) *watched {
	w.mu.Lock()
	defer w.mu.Unlock()
	known := w.vaults[name]
	if known == nil {
		known = &watched{teller: alert.NewTeller(vault, w.telling(name))}
		w.vaults[name] = known
	}
	return known
}

// telling returns how alerts of a vault are told.
func (w *Watcher) telling(name string) alert.Options {
	o := alert.Options{
		Channels: w.o.Channels, Broken: w.o.Broken, Rules: w.rules, Now: w.o.Now,
		Anchor: func(host, job string) string { return status.Anchor(name, host, job) },
	}
	if len(w.o.Registry().Vaults()) > 1 {
		o.Vault = name
	}
	if w.o.Link != nil {
		o.Link = func(ctx context.Context) (string, error) { return w.o.Link(ctx, name) }
	}
	return o
}

// Begin pings the heartbeat of a round that begins.
func (w *Watcher) Begin(ctx context.Context) error {
	return w.ping(ctx, "start", w.o.Registry().Alerts().Heartbeat.Start)
}

// End pings the heartbeat of a round that is over: its success where all vaults
// were Fine, else its failure.
func (w *Watcher) End(ctx context.Context, fine bool) error {
	beat := w.o.Registry().Alerts().Heartbeat
	if fine {
		return w.ping(ctx, "success", beat.Success)
	}
	return w.ping(ctx, "failure", beat.Failure)
}

func (w *Watcher) ping(ctx context.Context, what, url string) error {
	if url == "" {
		return nil
	}
	if err := heartbeat.Ping(context.WithoutCancel(ctx), w.o.HTTP, url, sleep); err != nil {
		return fmt.Errorf("ping %s heartbeat: %w", what, err)
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
