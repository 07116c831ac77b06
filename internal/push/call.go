package push

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// grace is how long a call may take to return once it was told to stop.
const grace = lastCall

// errHangs: a call was told to stop and has not returned.
var errHangs = errors.New("the vault does not answer: a call to it has not returned")

// calls are those of a run to one vault that this host reaches by itself. A
// directory on a dying disk or on a mount whose server is away holds whoever
// touches it, and no context ends that. So each call runs in a goroutine of its
// own, which is left behind if it does not return soon after its context has
// ended. Until it does nothing more is asked of the vault.
type calls struct {
	limit time.Duration // of a call that says nothing while it goes on; 0 is none
	left  atomic.Int32  // were left behind and have not returned since
}

// await returns what call returned, or an error that trying again will not change
// if it was left behind. What call uses it must not share.
func await[T any](ctx context.Context, c *calls, call func() (T, error)) (T, error) {
	var none T
	if c.left.Load() > 0 {
		return none, &finalError{errHangs}
	}
	type answer struct {
		value T
		err   error
	}
	answered := make(chan answer, 1)
	go func() {
		value, err := call()
		answered <- answer{value, err}
	}()
	select {
	case a := <-answered:
		return a.value, a.err
	case <-ctx.Done():
	}
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case a := <-answered:
		if a.err != nil && errors.Is(a.err, ctx.Err()) {
			a.err = context.Cause(ctx) // which says more
		}
		return a.value, a.err
	case <-late.C:
	}
	c.left.Add(1)
	go func() {
		<-answered
		c.left.Add(-1)
	}()
	return none, &finalError{fmt.Errorf("%w (%w)", errHangs, context.Cause(ctx))}
}

// ask is await of a call that has to return within the limit.
func ask[T any](ctx context.Context, c *calls, call func(context.Context) (T, error)) (T, error) {
	if c.limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, c.limit, fmt.Errorf("no answer within %s", c.limit))
		defer cancel()
	}
	return await(ctx, c, func() (T, error) { return call(ctx) })
}

// tell is ask of a call that returns nothing.
func (c *calls) tell(ctx context.Context, call func(context.Context) error) error {
	_, err := ask(ctx, c, func(ctx context.Context) (struct{}, error) { return struct{}{}, call(ctx) })
	return err
}
