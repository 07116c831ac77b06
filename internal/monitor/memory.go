package monitor

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// How a run tries to save its state against other monitors, of which there is
// one for each backup that arrives: so often, with pauses that double up to the
// longest, ten seconds at most in all.
const (
	maxSwaps   = 16
	firstPause = 20 * time.Millisecond
	maxPause   = time.Second
)

// stepAside waits before the next try, half of its time by chance, so that those who
// met once do not meet again.
func stepAside(ctx context.Context, try int) {
	longest := min(firstPause<<try, maxPause)
	select {
	case <-time.After(longest/2 + rand.N(longest/2)):
	case <-ctx.Done():
	}
}

// memory is the state as it was loaded.
type memory struct {
	state *state
	tag   string
	body  []byte // where it could not be understood
	err   error  // why it could not
}

// load fetches the state. A damaged one is no error: the monitor goes on with
// an empty one and says so.
func load(ctx context.Context, vault holdfast.Stater) (*memory, error) {
	body, tag, err := vault.Load(ctx, StateKey)
	if errors.Is(err, holdfast.ErrNotExist) {
		return &memory{state: newState()}, nil
	}
	if err != nil {
		return nil, err
	}
	st, err := decodeState(body)
	if err != nil {
		return &memory{state: newState(), tag: tag, body: body, err: err}, nil
	}
	return &memory{state: st, tag: tag}, nil
}

// asideKey is where a damaged state is kept.
func asideKey(now time.Time) string {
	return holdfast.StatePrefix + "monitor-damaged-" + now.UTC().Format("20060102T150405Z") + ".json"
}

// damage returns the finding about a damaged state, the zero Finding otherwise.
func (m *memory) damage(now time.Time, dry bool) holdfast.Finding {
	if m.err == nil {
		return holdfast.Finding{}
	}
	f := holdfast.Finding{
		Check: holdfast.CheckState, Severity: holdfast.Warning,
		Summary: "the monitor's memory was damaged and is begun anew: " + oneLine(m.err.Error()),
		Actual:  "kept as " + asideKey(now),
		Hint:    "see who else writes to the vault; what was wrong already is reported as new",
	}
	if dry {
		f.Actual = "left as it is by a dry run"
	}
	return f
}

// outcome is what came of comparing a look with the memory.
type outcome struct {
	findings    []holdfast.Finding
	transitions []Transition
	saved       bool
	open        []holdfast.Finding // as it was saved
	revision    int64              // of what was saved
}

// save merges the look into the memory and stores it. Where another monitor was
// faster it loads again and merges with what that one left, so that every
// transition is returned by exactly one of them.
func (r *run) save(ctx context.Context, m *memory) outcome {
	if m == nil { // the vault could not even be asked
		return merge(newState(), r.look, false)
	}
	for try := range maxSwaps {
		out := merge(m.state, r.look, try > 0)
		if r.opts.DryRun {
			return out
		}
		err := r.store(ctx, m)
		if err == nil {
			out.saved, out.open, out.revision = true, m.state.Open, m.state.Revision
			return out
		}
		if !errors.Is(err, holdfast.ErrConflict) {
			return out.unsaved(err, r.look.at)
		}
		stepAside(ctx, try)
		if m, err = load(ctx, r.vault); err != nil {
			return merge(newState(), r.look, false).unsaved(err, r.look.at)
		}
	}
	// Others save all the time, so what is there to notice they or the next
	// run will: returning transitions here would double them.
	out := merge(m.state, r.look, true)
	out.transitions = []Transition{}
	return out.unsaved(fmt.Errorf("store %q: %w, %d times", StateKey, holdfast.ErrConflict, maxSwaps), r.look.at)
}

func (r *run) store(ctx context.Context, m *memory) error {
	if m.err != nil {
		_, err := r.vault.Swap(ctx, asideKey(r.look.at), m.body, "")
		if err != nil && !errors.Is(err, holdfast.ErrConflict) { // another monitor kept it
			return fmt.Errorf("store %q: %v", asideKey(r.look.at), err)
		}
	}
	body, err := m.state.encode()
	if err != nil {
		return fmt.Errorf("encode %q: %v", StateKey, err)
	}
	if _, err := r.vault.Swap(ctx, StateKey, body, m.tag); err != nil {
		return fmt.Errorf("store %q: %w", StateKey, err)
	}
	return nil
}

// unsaved adds the finding that the memory could not be written, unless the vault
// cannot be reached at all. It can't be remembered, so it is opened by each run anew.
func (o outcome) unsaved(err error, now time.Time) outcome {
	for _, known := range o.findings {
		if known.Check == holdfast.CheckReachable {
			return o
		}
	}
	f := holdfast.Finding{
		Check: holdfast.CheckState, Severity: holdfast.Warning, Since: now,
		Summary: "the monitor's memory could not be written: " + oneLine(err.Error()),
		Hint:    "holdfast check; until then the same changes are reported again",
	}
	for i, known := range o.findings {
		if keyOf(known) == keyOf(f) {
			o.findings[i] = f
			return o
		}
	}
	o.findings = append(o.findings, f)
	o.transitions = append(o.transitions, Transition{Change: Opened, At: now, Finding: f})
	return o
}
