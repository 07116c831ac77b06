package client

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/holdfast-backup/holdfast/internal/api"
	"github.com/holdfast-backup/holdfast/internal/token"
)

// ClockError says that the broker refused a call because this host's clock and
// its own differ.
type ClockError struct {
	Ahead time.Duration // of this host's clock; negative where it is behind
	cause error
}

// Error implements error, e.g. "this host's clock is 7m behind the broker's".
func (e *ClockError) Error() string {
	way, by := "ahead of", e.Ahead
	if by < 0 {
		way, by = "behind", -by
	}
	return fmt.Sprintf("this host's clock is %s %s the broker's", short(by), way)
}

// Unwrap returns what the broker answered, an *api.Problem if it spoke the
// protocol.
func (e *ClockError) Unwrap() error { return e.cause }

// clockError returns a 401 as a ClockError where the clock explains it. The
// broker tells its time in the problem; what stands in front of it and answers
// in its place at least has a Date.
func clockError(err error, resp *http.Response, received time.Time) error {
	p, spoke := errors.AsType[*api.Problem](err)
	if spoke && p.Type != api.ProblemClock {
		return err
	}
	var theirs time.Time
	if spoke {
		theirs = p.Now
	}
	if theirs.IsZero() {
		date, dateErr := http.ParseTime(resp.Header.Get("Date"))
		if dateErr != nil {
			return err
		}
		theirs = date
	}
	ahead := received.Sub(theirs).Round(time.Second)
	if ahead.Abs() < token.Lifetime && ahead <= token.MaxAhead {
		return err // the clocks agree well enough; the token was too long on its way
	}
	return &ClockError{Ahead: ahead, cause: err}
}

// short returns d in at most two units, the smaller one only where it matters.
func short(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Round(time.Minute).Minutes()))
	case d < 48*time.Hour:
		whole := d.Round(time.Minute)
		if minutes := int(whole.Minutes()) % 60; minutes != 0 {
			return fmt.Sprintf("%dh%dm", int(whole.Hours()), minutes)
		}
		return fmt.Sprintf("%dh", int(whole.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Round(24*time.Hour).Hours()/24))
}
