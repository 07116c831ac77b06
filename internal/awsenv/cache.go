package awsenv

import (
	"context"
	"log/slog"
	"time"
)

// How long a value is used.
const (
	// TTL is how long a value counts as the present one: a host that is
	// revoked is refused this much later at the most.
	TTL = time.Minute
	// MaxAge is how long a value is used when it cannot be fetched again, or
	// makes no sense any more. A parameter store that does not answer for a
	// moment, or a slip in an edited document, must not lose the backups of an
	// hour. But what is not looked at any more also keeps a revoked host in,
	// so then everything stops, which somebody notices.
	MaxAge = 5 * time.Minute
	// retryAfter is how long after a failure it is tried again, while there is
	// a value to use: every call that waits for a store that does not answer
	// is late itself.
	retryAfter = 10 * time.Second
	// fetchTime is how long fetching may take.
	fetchTime = 10 * time.Second
)

// Cache keeps one value that changes elsewhere. It is safe for concurrent use.
type Cache[T any] struct {
	what  string
	now   func() time.Time
	log   *slog.Logger
	fetch func(context.Context) (T, error)

	turn    chan struct{} // held by who may touch what follows
	value   T
	fetched time.Time // zero: there is no value
	failed  time.Time // when it was last tried in vain
}

// NewCache returns a Cache of what fetch returns, which is called for one caller
// at a time. What says in the log what it is.
func NewCache[T any](what string, now func() time.Time, log *slog.Logger, fetch func(context.Context) (T, error)) *Cache[T] {
	return &Cache[T]{what: what, now: now, log: log, fetch: fetch, turn: make(chan struct{}, 1)}
}

// Get returns the value, at most TTL old. Where it could not be fetched again,
// which is logged, it is at most MaxAge old; after that Get returns the error.
func (c *Cache[T]) Get(ctx context.Context) (T, error) {
	var none T
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return none, ctx.Err()
	}
	now := wall(c.now())
	if within(c.fetched, now, TTL) || within(c.failed, now, retryAfter) && within(c.fetched, now, MaxAge) {
		return c.value, nil
	}
	limited, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	value, err := c.fetch(limited)
	if err == nil {
		c.value, c.fetched, c.failed = value, now, time.Time{}
		return value, nil
	}
	if ctx.Err() != nil { // which says nothing of what was to be fetched
		return none, err
	}
	c.failed = now
	if within(c.fetched, now, MaxAge) {
		c.log.Error("refresh failed, the last value stays in use", "what", c.what, "until", c.fetched.Add(MaxAge).UTC(), "err", err)
		return c.value, nil
	}
	return none, err
}

// wall returns t without the monotonic clock, which stands still while AWS has a
// function frozen: a host revoked an hour ago would find the function that took
// its last call as it was.
func wall(t time.Time) time.Time { return t.Round(0) }

// within reports whether then is at most d before now. A clock that was set back
// makes it future, which counts for nothing.
func within(then, now time.Time, d time.Duration) bool {
	age := now.Sub(then)
	return !then.IsZero() && age >= 0 && age < d
}
