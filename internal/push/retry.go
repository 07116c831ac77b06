package push

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

// Retry says how outages of the broker and the store are waited out. The zero
// value of a field is its default.
type Retry struct {
	GiveUp   time.Duration // after the first failure of a call or a part; default 15m
	First    time.Duration // wait after the first failure, doubled after each more; default 500ms
	Longest  time.Duration // the longest wait; default 30s
	Refusals int           // how often the store may refuse one part (400, 403); default 4
	Stall    time.Duration // how long a part may make no headway before it is sent anew; default 2m
}

func (r Retry) withDefaults() Retry {
	set := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	set(&r.GiveUp, 15*time.Minute)
	set(&r.First, 500*time.Millisecond)
	set(&r.Longest, 30*time.Second)
	set(&r.Stall, 2*time.Minute)
	if r.Refusals <= 0 {
		r.Refusals = 4
	}
	return r
}

// retrier repeats calls as Retry says.
type retrier struct {
	Retry
	now   func() time.Time
	sleep func(context.Context, time.Duration) error
	log   *slog.Logger
}

// do calls attempt until it succeeds, fails for good, ctx ends or the time is
// up. what and to name the call and its destination in the log.
func (r retrier) do(ctx context.Context, what, to string, attempt func() error) error {
	var since time.Time
	refusals := 0
	for wait := r.First; ; wait = min(2*wait, r.Longest) {
		err := attempt()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		now := r.now()
		if since.IsZero() {
			since = now
		}
		switch judge(err) {
		case final:
			return err
		case refusal:
			if refusals++; refusals >= r.Refusals {
				return fmt.Errorf("%w (refused %d times)", err, refusals)
			}
		}
		if out := now.Sub(since); out >= r.GiveUp {
			return fmt.Errorf("%w (given up after %s)", err, out.Round(time.Second))
		}
		r.log.Info("trying again", "call", what, "to", to, "err", err)
		// Half of the wait is random, so that a thousand hosts that lost the
		// same broker do not all come back at once.
		if err := r.sleep(ctx, wait/2+rand.N(wait/2+1)); err != nil {
			return context.Cause(ctx)
		}
	}
}

// verdict is what an error means for trying again.
type verdict int

const (
	outage  verdict = iota // try again until the time is up
	refusal                // try again a few times: a signature or a body may have gone wrong on the way
	final                  // do not
)

// finalError is an error that trying again will not change.
type finalError struct{ error }

func (e *finalError) Unwrap() error { return e.error }

func judge(err error) verdict {
	var problem *api.Problem
	if errors.As(err, &problem) {
		// Quota is a 429 too, and will be tomorrow's business.
		if problem.Type == api.ProblemQuota || problem.Type == api.ProblemFull {
			return final
		}
		if passing(problem.Status) {
			return outage
		}
		return final
	}
	var store *storeError
	if errors.As(err, &store) {
		switch {
		case passing(store.status):
			return outage
		case store.status == http.StatusForbidden, store.status == http.StatusBadRequest:
			return refusal
		}
		return final
	}
	var last *finalError
	switch {
	case errors.As(err, &last):
		return final
	case errors.Is(err, holdfast.ErrFull), errors.Is(err, holdfast.ErrExist), errors.Is(err, holdfast.ErrNotExist), errors.Is(err, fs.ErrNotExist):
		return final
	case errors.Is(err, holdfast.ErrCorrupt), errors.Is(err, fs.ErrPermission):
		return refusal
	}
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
		return final
	}
	return outage
}

// passing reports whether a status speaks of the moment and not of the request.
func passing(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	case http.StatusInsufficientStorage, http.StatusNotImplemented:
		return false
	}
	return status >= 500
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
