package broker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
	"github.com/holdfast-backup/holdfast/internal/token"
)

// refusal is an error with the answer it gets. The cause is for the log alone.
type refusal struct {
	api.Problem
	cause error
	after time.Duration // when to try again, 0 where it is not known
}

func (r *refusal) Error() string {
	if r.cause == nil {
		return r.Problem.Error()
	}
	return fmt.Sprintf("%s: %v", r.Problem.Error(), r.cause)
}

// refuseWith returns a refusal without a code of its own.
func refuseWith(status int, title, detail, hint string) *refusal {
	return &refusal{Problem: api.Problem{Type: "about:blank", Status: status, Title: title, Detail: detail, Hint: hint}}
}

// notFound is the one answer for what is not there and what is not the
// caller's. cause, which may be nil, is not told.
func notFound(cause error) *refusal {
	return &refusal{cause: cause, Problem: api.Problem{
		Type: api.ProblemNotFound, Status: http.StatusNotFound, Title: "not found",
		Detail: "there is no such thing, or it is not yours",
		Hint:   "compare host, job and key with holdfast.yaml on the server, and reload it",
	}}
}

func invalid(err error) *refusal {
	return refuseWith(http.StatusBadRequest, "invalid request", err.Error(), "pusher and broker may be of versions that don't fit")
}

func overQuota(status int, detail, hint string) *refusal {
	r := refuseWith(status, "over quota", detail, hint)
	r.Type = api.ProblemQuota
	return r
}

func manifestRefused(err error) *refusal {
	return refuseWith(http.StatusUnprocessableEntity, "manifest refused", err.Error(), "nothing was committed; run the backup again")
}

func expired(what, hint string) *refusal {
	return refuseWith(http.StatusGone, what+" expired", "", hint)
}

// unreadable says why a body could not be read.
func unreadable(err error) *refusal {
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return refuseWith(http.StatusRequestEntityTooLarge, "request too large",
			fmt.Sprintf("its body is over %d bytes", tooLarge.Limit), "")
	}
	r := refuseWith(http.StatusBadRequest, "request cut short", "its body did not arrive whole", "try again")
	r.cause = err
	return r
}

// problem returns what to answer to err. Whatever is not a refusal or a fault of
// the token is a failure of the vault or of the broker itself: it may be
// retried, and the caller learns no details.
func problem(err error, now time.Time) api.Problem {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r.Problem
	}
	if clock, ok := errors.AsType[*token.ClockError](err); ok {
		return api.Problem{
			Type: api.ProblemClock, Status: http.StatusUnauthorized, Title: "clocks differ",
			Detail: clock.Error(), Hint: "set the clock of the machine that called", Now: now.UTC(),
		}
	}
	switch {
	case errors.Is(err, token.ErrToken):
		return api.Problem{
			Type: api.ProblemToken, Status: http.StatusUnauthorized, Title: "unauthorized",
			Detail: err.Error(), Hint: "compare the broker's URL, the name and the public key with holdfast.yaml on the server, and reload it",
			Now: now.UTC(),
		}
	case errors.Is(err, holdfast.ErrFull):
		return api.Problem{
			Type: api.ProblemFull, Status: http.StatusInsufficientStorage, Title: "vault full",
			Hint: "make room in the vault, or keep fewer backups",
		}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return api.Problem{Type: "about:blank", Status: http.StatusServiceUnavailable, Title: "took too long", Hint: "try again"}
	}
	return api.Problem{
		Type: "about:blank", Status: http.StatusServiceUnavailable, Title: "the vault failed",
		Hint: "try again; the broker's log has the reason under the request id",
	}
}

// panicked is a fault of the broker's own.
func panicked(value any) *refusal {
	r := refuseWith(http.StatusInternalServerError, "the broker failed", "", "the broker's log has the reason under the request id")
	r.cause = fmt.Errorf("panic: %v", value)
	return r
}

// maxSaid is how much of an error is logged or answered, in bytes. A caller may
// have put into it what it likes.
const maxSaid = 1 << 10

// said returns s cut to that, on one line without what a log or a terminal would
// act on.
func said(s string) string { return cutEnd(line(cutEnd(s, 2*maxSaid)), maxSaid) }
