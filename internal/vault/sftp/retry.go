package sftp

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	firstPause = 200 * time.Millisecond
	maxPause   = 15 * time.Second
	// firstGiveUp is how long a server is tried that has never been reached.
	firstGiveUp = 5 * time.Second
)

// do calls f with a session, and again on another connection if that was lost: f
// must be fit to be repeated. It returns when ctx has ended, even if f goes on
// for a moment: what f makes is handed over by its result alone.
func do[T any](ctx context.Context, v *Vault, f func(o op) (T, error)) (T, error) {
	return retry(ctx, v, func() (T, error) { return once(ctx, v, false, f, func() {}) })
}

// retry calls f until the connection is not what it fails for, with a growing pause
// in between, for as long as the server may be gone.
func retry[T any](ctx context.Context, v *Vault, f func() (T, error)) (T, error) {
	begun, pause := time.Now(), v.pause
	for {
		result, err := f()
		if !isLost(err) || ctx.Err() != nil || !v.patient(time.Since(begun)+pause) {
			return result, err
		}
		select {
		case <-ctx.Done():
			return result, ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, maxPause)
	}
}

// patient reports whether a server that has been gone for so long may come back.
func (v *Vault) patient(gone time.Duration) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	patience := v.o.GiveUp
	if !v.worked {
		patience = min(patience, firstGiveUp)
	}
	return !v.closed && gone <= patience
}

// once calls f with a session that there is or can be made now; transfer says
// whether it moves a whole part. after is called once f is over, also where ctx has
// ended before.
func once[T any](ctx context.Context, v *Vault, transfer bool, f func(o op) (T, error), after func()) (T, error) {
	type outcome struct {
		result T
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		defer after()
		var out outcome
		var o op
		if o, out.err = v.begin(ctx, transfer); out.err == nil {
			out.result, out.err = f(o)
			o.end()
		}
		done <- out
	}()
	select {
	case out := <-done:
		return out.result, out.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// begin returns what a call works with; it calls end.
func (v *Vault) begin(ctx context.Context, transfer bool) (op, error) {
	c, err := v.connect(ctx)
	if err != nil {
		return op{}, err
	}
	s, err := c.session(ctx, transfer)
	if err != nil {
		return op{}, err
	}
	o := op{ctx: ctx, s: s, root: v.o.Path, transfer: transfer}
	if transfer {
		s.count(&s.transfers, 1)
	}
	if err := v.seeRoot(o); err != nil {
		o.end()
		return op{}, err
	}
	return o, nil
}

func (o op) end() {
	if o.transfer {
		o.s.count(&o.s.transfers, -1)
	}
}

// seeRoot makes sure, once, that the vault's directory is there.
func (v *Vault) seeRoot(o op) error {
	v.mu.Lock()
	rooted := v.rooted
	v.mu.Unlock()
	if rooted {
		return nil
	}
	info, err := o.stat("")
	switch {
	case isNotExist(err) && v.o.Create:
		err = o.makeRoot()
	case isNotExist(err):
		err = ErrNoDirectory
	case err == nil && !info.IsDir():
		err = fmt.Errorf("%w: it is a file", ErrNoDirectory)
	}
	if err != nil {
		return fmt.Errorf("open directory %q: %w", v.o.Path, err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.rooted, v.worked = true, true
	return nil
}

// isLost reports whether the connection is what is wrong, and another may do.
func isLost(err error) bool {
	var half *halfSent
	return errors.Is(err, ErrUnreachable) && !errors.As(err, &half)
}
