package slack

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert/plain"
)

// How long to wait before a second attempt.
const (
	// backoff is that after a fault of Slack's own.
	backoff = time.Second
	// room is what has to be left of the deadline for the attempt itself.
	room = 2 * time.Second
	// patience is how long to wait where there is no deadline.
	patience = time.Minute
	// waits is how many times Slack may ask to wait in one Send.
	waits = 3
)

// deliver posts p, and tries again what may succeed: after the time that Slack asks
// for, once after a fault of its own, and without blocks if it does not like them.
func (c *Channel) deliver(ctx context.Context, p payload) (posted, error) {
	waited, retried := 0, false
	for {
		at, err := c.post(ctx, p)
		refusal, isRefusal := errors.AsType[*refusal](err)
		switch {
		case err == nil:
			return at, nil
		case !isRefusal:
			return posted{}, c.fault(err)
		case refusal.busy && waited < waits && fits(ctx, refusal.after):
			waited++
			err = c.o.Wait(ctx, refusal.after)
		case refusal.busy:
			return posted{}, &holdfast.RetryAfterError{After: refusal.after, Err: fmt.Errorf("tell slack: %w", refusal)}
		case refusal.broken && !retried && fits(ctx, backoff):
			retried = true
			err = c.o.Wait(ctx, backoff)
		case refusal.blocks() && p.blocks != nil:
			p, err = p.withoutBlocks(), nil
		default:
			return posted{}, fmt.Errorf("tell slack: %w", refusal)
		}
		if err != nil {
			return posted{}, c.fault(err)
		}
	}
}

// fits reports whether there is time to wait for d and to try again after.
func fits(ctx context.Context, d time.Duration) bool {
	deadline, ok := ctx.Deadline()
	if !ok {
		return d <= patience
	}
	return time.Until(deadline) >= d+room
}

// maxUpdate is how long bringing an older message up to date may take.
const maxUpdate = 10 * time.Second

// update brings the message that began m's thread up to date. Failing is no
// error: people have been told, and the next message of the thread tries it again.
func (c *Channel) update(ctx context.Context, thread posted, m holdfast.Message) {
	ctx, stop := context.WithTimeout(ctx, maxUpdate)
	defer stop()
	subject, first := standing(m)
	p := newPayload(subject, first, c.o.Location)
	if !m.Thread.Over() && plain.Worst(first.Items) == plain.Good {
		p.blocks[0] = headerBlock(tones[plain.Odd], subject) // what goes on is left out
	}
	p.update = thread
	_, _ = c.postAsBot(ctx, p)
}
