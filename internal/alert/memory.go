package alert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// saveTime is how long loading and saving the state may take.
const saveTime = 10 * time.Second

// asideKey is where a damaged state is kept.
func asideKey(now time.Time) string {
	return holdfast.StatePrefix + "alerts-damaged-" + now.UTC().Format("20060102T150405Z") + ".json"
}

// update lets change alter the state and saves it: it is called again with the
// state as others have left it, where they were faster. The error says why it is not
// saved. Then the state that is returned lives in memory alone, to be merged into the
// vault's by the next update; or it is nil, with nothing remembered, where others
// save all the time, which they do with the same news. change must be
// remembered if must is set, for it cannot be done again.
func (t *Teller) update(ctx context.Context, must bool, change func(*state)) (*state, error) {
	t.lock <- struct{}{}
	defer func() { <-t.lock }()
	ctx, cancel := context.WithTimeout(ctx, saveTime)
	defer cancel()
	for try := range maxSwaps {
		st, before, tag, err := t.load(ctx)
		if err != nil && try > 0 && ctx.Err() != nil {
			break // not the vault is away, but the time is over
		}
		if err != nil {
			return t.remember(change, err)
		}
		contents := st.contents()
		if err := t.recall(st); err != nil {
			return nil, err
		}
		change(st)
		body, err := st.encode()
		if err != nil {
			return nil, fmt.Errorf("encode %q: %v", StateKey, err)
		}
		if err = t.store(ctx, before, body, tag); err == nil {
			t.known, t.unsaved = body, savedAll()
			return st, nil
		}
		if !errors.Is(err, holdfast.ErrConflict) {
			t.known = body
			t.unsaved.note(contents, st)
			return st, err
		}
		stepAside(ctx, try)
	}
	err := fmt.Errorf("store %q: %w, again and again", StateKey, holdfast.ErrConflict)
	if must {
		return t.remember(change, err)
	}
	return nil, err
}

// remember changes the state in memory, because of err.
func (t *Teller) remember(change func(*state), err error) (*state, error) {
	st := newState()
	if t.known != nil {
		known, err := decodeState(t.known)
		if err != nil {
			return nil, fmt.Errorf("remember %q: %v", StateKey, err)
		}
		st = known
	}
	contents := st.contents()
	change(st)
	body, failed := st.encode()
	if failed != nil {
		return nil, fmt.Errorf("encode %q: %v", StateKey, failed)
	}
	t.known = body
	t.unsaved.note(contents, st)
	return st, err
}

// load fetches the state. One that cannot be understood is begun anew: what is
// open is then told again.
func (t *Teller) load(ctx context.Context) (st *state, before []byte, tag string, err error) {
	before, tag, err = t.vault.Load(ctx, StateKey)
	if errors.Is(err, holdfast.ErrNotExist) {
		return newState(), nil, "", nil
	}
	if err != nil {
		return nil, nil, "", err
	}
	if st, err = decodeState(before); err != nil {
		st = newState()
	}
	return st, before, tag, nil
}

// recall adds to the state what could not be saved before.
func (t *Teller) recall(st *state) error {
	if !t.unsaved.is {
		return nil
	}
	mine, err := decodeState(t.known)
	if err != nil {
		return fmt.Errorf("remember %q: %v", StateKey, err)
	}
	now := t.options.Now().UTC()
	st.notAfter(now)
	mine.notAfter(now)
	st.merge(mine, t.unsaved)
	return nil
}

// store replaces what was there before, having kept it aside if it is damaged.
func (t *Teller) store(ctx context.Context, before, body []byte, tag string) error {
	if bytes.Equal(before, body) {
		return nil
	}
	if tag != "" {
		if _, err := decodeState(before); err != nil {
			aside := asideKey(t.options.Now())
			_, err := t.vault.Swap(ctx, aside, before, "")
			if err != nil && !errors.Is(err, holdfast.ErrConflict) { // another run kept it
				return fmt.Errorf("store %q: %v", aside, err)
			}
		}
	}
	if _, err := t.vault.Swap(ctx, StateKey, body, tag); err != nil {
		return fmt.Errorf("store %q: %w", StateKey, err)
	}
	return nil
}
