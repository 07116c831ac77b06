package shoutrrr

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// errUnderWay is what a send gets that comes while another has not ended.
var errUnderWay = errors.New("an earlier message is still under way")

// grace is how long a send waits for one that was given up: most end soon after.
const grace = 2 * time.Second

// remembered is how many messages are known that arrived after they were given up.
const remembered = 16

// turn lets one send at a time be under way.
type turn struct {
	held chan struct{} // has an element while one is

	mu      sync.Mutex
	givenUp bool     // nobody waits for the one under way
	late    []string // ids of what arrived after it was given up, the newest last
}

func newTurn() *turn { return &turn{held: make(chan struct{}, 1)} }

// take runs send, which sends the message with an id, once no other is under way,
// and returns its error; with that of ctx when ctx ends first. Then send goes on.
// A message that arrived after that is not sent again: its next turn succeeds.
func (t *turn) take(ctx context.Context, id string, send func() error) error {
	if t.arrived(id) {
		return nil
	}
	if err := t.begin(ctx); err != nil {
		return err
	}
	if t.arrived(id) { // that is what this has waited for
		<-t.held
		return nil
	}
	done := make(chan error, 1)
	go func() {
		err := send()
		t.end(id, err, done)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case err := <-done:
		return err
	default:
		t.givenUp = true
		return ctx.Err()
	}
}

// begin waits until no other is under way, but not for long where nobody else waits
// for that one either.
func (t *turn) begin(ctx context.Context) error {
	select {
	case t.held <- struct{}{}:
		return nil
	default:
	}
	var enough <-chan time.Time
	if t.abandoned() {
		timer := time.NewTimer(grace)
		defer timer.Stop()
		enough = timer.C
	}
	select {
	case t.held <- struct{}{}:
		return nil
	case <-enough:
		return errUnderWay
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errUnderWay, ctx.Err())
	}
}

// end tells who waits, or keeps for later, how a send has ended.
func (t *turn) end(id string, err error, done chan<- error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case !t.givenUp:
		done <- err
	case err == nil:
		t.late = append(t.late, id)
		t.late = t.late[max(len(t.late)-remembered, 0):]
	}
	t.givenUp = false
	<-t.held
}

func (t *turn) arrived(id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Contains(t.late, id)
}

func (t *turn) abandoned() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.givenUp
}
