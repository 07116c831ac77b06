package alert

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// DefaultSendTimeout is for how long a channel may be sent messages by a run,
// where Options say nothing else.
const DefaultSendTimeout = 20 * time.Second

// Options say through what and by what rules people are told. Channels and Rules
// are needed.
type Options struct {
	// Channels by name. One that the rules name and that is not here fails.
	Channels map[string]holdfast.Channel
	// Broken says of channels that they could not be set up, and why: others
	// tell of them before there is anything to send.
	Broken map[string]error
	// Rules returns those that are in force. Their Wants may be nil, and is then
	// holdfast.Event.Bad.
	Rules func() Rules
	// Now is the clock; time.Now if nil.
	Now func() time.Time
	// Vault is how people call the vault, for texts; "" where there is one only.
	Vault string
	// Link returns the signed URL of the status page; nil for none. Where it
	// fails messages have no link.
	Link func(ctx context.Context) (string, error)
	// Anchor returns the name of a job's place on the page; nil for none.
	Anchor func(host, job string) string
	// SendTimeout is for how long each channel may be sent messages by a run;
	// 0 for DefaultSendTimeout. Channels are sent theirs at the same time, so a run
	// takes little longer than that, whatever they do.
	SendTimeout time.Duration
}

// Teller tells people what is wrong in one vault. What it could not save there it
// remembers, so one Teller should live as long as its process. It is safe for
// concurrent use.
type Teller struct {
	vault   holdfast.Stater
	options Options

	lock    chan struct{} // held while the state is changed; guards the next two
	known   []byte        // the state as it was last known, nil for nothing
	unsaved unsaved

	mu       sync.Mutex
	underWay map[string]bool // channels that have not returned yet
	silences []Silence       // as they were last known
	healed   map[string]bool // channels that are set up after all, having taken a message
}

// NewTeller returns a Teller for what is wrong in vault.
func NewTeller(vault holdfast.Stater, o Options) *Teller {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.SendTimeout = cmp.Or(o.SendTimeout, DefaultSendTimeout)
	return &Teller{vault: vault, options: o, lock: make(chan struct{}, 1), unsaved: savedAll(), underWay: map[string]bool{}, healed: map[string]bool{}}
}

// run is one run of a Teller.
type run struct {
	*Teller
	moment   moment
	owner    string
	state    *state // as it was last known
	saved    error  // why that is not saved
	unlinked error  // why messages have no link
	busy     map[string]bool
	results  map[string]result // of the last attempts
	sent     map[string]int
}

// Run tells people what is new, and says what became of it. The error is not nil
// where what was told could not be saved in the vault; people were told
// nevertheless, from memory, unless other runs were saving all the time or ctx had
// ended before. That channels fail is no error: the Outcome and other channels say it.
func (t *Teller) Run(ctx context.Context, in Input) (Outcome, error) {
	if err := ctx.Err(); err != nil {
		return Outcome{Channels: []ChannelOutcome{}}, fmt.Errorf("tell people: %w", err)
	}
	r := &run{Teller: t, owner: rand.Text(), busy: map[string]bool{}, results: map[string]result{}, sent: map[string]int{}}
	r.moment = t.moment(ctx, in)
	r.round(ctx, t.options.SendTimeout)
	if r.state == nil {
		return Outcome{Channels: []ChannelOutcome{}, Silences: r.moment.silences}, fmt.Errorf("tell people: %w", r.saved)
	}
	// A channel that has just turned out to fail is told of by the others at
	// once, in a shorter time: those that are well need little.
	if in.Whole && ctx.Err() == nil && r.state.unnoticed(r.moment) {
		r.moment.channelsOnly = true
		r.round(ctx, t.options.SendTimeout/4)
	}
	if r.saved != nil {
		return r.outcome(), fmt.Errorf("tell people: %w", r.saved)
	}
	return r.outcome(), nil
}

// silencesTime is how long loading the silences may take.
const silencesTime = 5 * time.Second

// moment returns what a run goes by.
func (t *Teller) moment(ctx context.Context, in Input) moment {
	m := moment{now: t.options.Now().UTC(), in: in, rules: t.options.Rules(), vault: t.options.Vault, broken: map[string]error{}}
	if m.in.At.IsZero() {
		m.in.At = m.now
	}
	if m.rules.Wants == nil {
		m.rules.Wants = func(_, _, _ string, event holdfast.Event) bool { return event.Bad() }
	}
	ctx, cancel := context.WithTimeout(ctx, silencesTime)
	defer cancel()
	all, err := LoadSilences(ctx, t.vault, m.now)
	t.mu.Lock()
	for name, why := range t.options.Broken {
		if !t.healed[name] {
			m.broken[name] = why
		}
	}
	switch {
	case err == nil:
		t.silences = all
	case errors.Is(err, holdfast.ErrCorrupt): // rather told what was to be silenced than silent about what was not
		m.unsilenced = err.Error()
	default: // the vault is away, and what was silenced still is
		all = t.silences
	}
	t.mu.Unlock()
	for _, s := range all {
		if s.In(m.now) {
			m.silences = append(m.silences, s)
		}
	}
	return m
}

// round brings the state up to the moment, sends what that calls for, and writes
// down what was taken.
func (r *run) round(ctx context.Context, takes time.Duration) {
	var turns map[string]*turn
	st, err := r.update(ctx, false, func(st *state) {
		r.moment.now = r.options.Now().UTC()
		advance(st, r.moment)
		turns = st.claim(r.moment, r.owner, takes)
	})
	if r.saved = err; st == nil {
		return
	}
	r.state = st
	for name, turn := range turns {
		r.busy[name] = r.busy[name] || turn.busy
	}
	results := r.send(ctx, r.moment, turns, takes, &r.unlinked)
	if len(results) == 0 {
		return
	}
	for name, result := range results {
		if len(result.taken) > 0 {
			r.heal(name)
			delete(r.moment.broken, name)
		}
		r.results[name] = result
		r.sent[name] += len(result.taken)
	}
	// What was taken has to be written down also where the time of the run is over.
	st, err = r.update(context.WithoutCancel(ctx), true, func(st *state) {
		r.moment.now = r.options.Now().UTC()
		st.mend(r.moment)
		st.record(results, r.owner, r.moment.now)
	})
	if r.saved = err; st != nil {
		r.state = st
	}
	if err != nil {
		r.release()
	}
}

// heal notes that a channel is set up after all.
func (t *Teller) heal(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.healed[name] = true
}

// release notes that the claims of the run have ended, though the vault has them.
func (r *run) release() {
	r.lock <- struct{}{}
	r.unsaved.done[r.owner] = true
	<-r.lock
}

// outcome sums up the run.
func (r *run) outcome() Outcome {
	o := Outcome{
		Channels: []ChannelOutcome{}, Silences: r.moment.silences, Remembered: r.saved == nil,
		Untold: r.state.untold(r.moment, r.busy), Dropped: r.state.Dropped,
	}
	if r.unlinked != nil {
		o.Unlinked = cut(holdfast.Printable(r.unlinked.Error()), maxText)
	}
	for _, name := range slices.Sorted(maps.Keys(r.moment.rules.Channels)) {
		c := ChannelOutcome{Channel: name, Sent: r.sent[name], Busy: r.busy[name]}
		if is := r.state.Channels[name]; is != nil {
			c.Err, c.Since = is.Err, is.Since
			if r.moment.now.Before(is.Waiting) {
				c.Waiting = is.Waiting
			}
		}
		if failed := r.results[name].err; failed != nil {
			c.Err = cut(holdfast.Printable(failed.Error()), maxText)
		}
		o.Channels = append(o.Channels, c)
	}
	return o
}

// untold counts what nobody knows, though somebody should, and no other run is
// about to tell.
func (st *state) untold(m moment, busy map[string]bool) int {
	n := 0
	m.channelsOnly = false
	for _, i := range st.Incidents {
		if !m.covers(i) || i.known(m) {
			continue
		}
		due := i.ofChannel() && i.open() && len(m.rules.Channels) == 1
		for name := range m.rules.Channels {
			due = due || m.step(name, i) != "" && !busy[name]
		}
		if due {
			n++
		}
	}
	return n
}

// known reports whether somebody was told how it stands.
func (i *incident) known(m moment) bool {
	for _, t := range i.Told {
		if t.Over == i.Closed && (i.Closed || rank(t.Severity) <= rank(m.severity(i))) {
			return true
		}
	}
	return false
}
