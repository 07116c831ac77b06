// Package conform states every promise of holdfast.Channel as a check, which each
// channel's tests run against a service on the other side that can be told to
// hang, to refuse, to answer garbage. Checks return errors and need no test
// framework.
//
// What messages look like is not checked here, only that they arrive.
package conform

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// ErrNotRunnable is what a check returns if the far side can't behave as it has
// to. It says nothing about the channel.
var ErrNotRunnable = errors.New("not runnable here")

// Behaviour is how the far side treats what it is sent.
type Behaviour int

// Behaviours.
const (
	Takes   Behaviour = iota // it takes everything
	Hangs                    // it lets one connect and never answers; it takes nothing
	Refuses                  // it says no for good, best in words that quote what is secret
	Fails                    // it says that it is out of order now
	Garbage                  // it answers what its protocol does not allow
	Busy                     // it says to come back in 30 seconds
)

// String names the behaviour.
func (b Behaviour) String() string {
	return [...]string{"takes", "hangs", "refuses", "fails", "garbage", "busy"}[b]
}

// Far is the service on the other side. Its methods are safe for concurrent use.
type Far interface {
	// Behave makes it behave so from now on; ErrNotRunnable (wrapped) where
	// it can't, as with Busy where the protocol has no word for that.
	Behave(b Behaviour) error
	// Taken returns what it has taken, in order, each as text in which the
	// names of host and job can be found.
	Taken() []string
}

// Env is what the checks run against.
type Env struct {
	Channel holdfast.Channel
	Far     Far
	// Secrets are what no error may hold: the password, the token, the URL
	// and its secret parts.
	Secrets []string
	// Now is the time of the messages that are sent.
	Now time.Time
	// Deadline is what a Send is given where the far side hangs; 1 s if 0.
	// Late is how much later it may return, on a machine that has much to do; 5 s if 0.
	Deadline, Late time.Duration
	// Patience is what a Send is given where it should succeed; 30 s if 0.
	Patience time.Duration
}

// Check is one promise and the code that tries it.
type Check struct {
	Name    string // short and unique, e.g. "hang"
	Promise string // a sentence
	// Run returns nil if the promise was kept, ErrNotRunnable (wrapped) if it
	// could not be tried, else what went wrong. It leaves the far side taking.
	Run func(ctx context.Context, env *Env) error
}

// Checks returns all checks.
func Checks() []Check {
	return []Check{
		check("deliver", "Send succeeds only after the far side has taken the message, which names host and job.", deliver),
		check("every-message", "Every sample and every hostile message is taken.", everyMessage),
		check("posted", "What Send returns is at most 256 bytes, and messages in its thread are taken.", posted),
		check("repeat", "The same message may be sent again.", repeat),
		check("concurrent", "Concurrent sends are safe, and each message is taken once.", concurrent),
		check("hang", "A Send that gets no answer fails when its deadline has come.", hang),
		check("hang-together", "Sends that get no answer do not wait for one another.", hangTogether),
		check("cancel", "A Send whose context has ended, or ends, fails at once.", cancel),
		check("refuse", "A refusal is an error of one line without any secret.", fails(Refuses)),
		check("fail", "A service that is out of order is an error of one line without any secret.", fails(Fails)),
		check("garbage", "An answer that is none is an error of one line without any secret.", fails(Garbage)),
		check("busy", "A service that wants to be left alone is a RetryAfterError, in time.", busy),
	}
}

func check(name, promise string, try func(ctx context.Context, env *Env) error) Check {
	return Check{Name: name, Promise: promise, Run: func(ctx context.Context, env *Env) error {
		err := try(ctx, env)
		if takes := env.Far.Behave(Takes); takes != nil {
			return errors.Join(err, fmt.Errorf("let the far side take again: %w", takes))
		}
		return err
	}}
}

// Result is what became of one check.
type Result struct {
	Check
	Err  error // nil: the promise was kept
	Took time.Duration
}

// Skipped reports whether the check could not be run: neither kept nor broken.
func (r Result) Skipped() bool { return errors.Is(r.Err, ErrNotRunnable) }

// Run runs all checks, one after the other.
func Run(ctx context.Context, env *Env) []Result {
	var results []Result
	for _, c := range Checks() {
		begun := time.Now()
		err := c.Run(ctx, env)
		results = append(results, Result{Check: c, Err: err, Took: time.Since(begun)})
	}
	return results
}
