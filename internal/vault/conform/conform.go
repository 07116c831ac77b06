// Package conform states every promise of the vault contract as a check that
// runs against any vault: the conformance suite of each backend's tests, and
// what `holdfast check` runs against a vault in use. Checks return errors and
// need no test framework. They write under scratch/ and state/scratch-… alone
// and remove what they made; "list everything" also reads all names.
//
// What cannot be seen through the contract is not checked here: that a power
// failure loses nothing, that every version of a deleted object is gone.
package conform

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// ErrNotRunnable is what a check returns if it needs a hook that Env has not. It
// says nothing about the vault.
var ErrNotRunnable = errors.New("not runnable here")

// Env is what the checks run against.
type Env struct {
	Vault holdfast.Vault
	// Scratch is a name nobody else uses, made of lower-case letters, digits
	// and hyphens. All keys lie under scratch/<Scratch>/ and
	// state/scratch-<Scratch>/.
	Scratch string
	// Client sends the signed requests.
	Client *http.Client

	// Advance moves the vault's clock on by d, on a vault in use by waiting
	// that long. Nil if that can't be done.
	Advance func(ctx context.Context, d time.Duration) error
	// Lock forbids the deletion of an object for d. Nil if the vault knows no
	// locks.
	Lock func(ctx context.Context, key string, d time.Duration) error
}

// NewEnv returns an Env without hooks, with a scratch name of its own.
func NewEnv(vault holdfast.Vault, client *http.Client) *Env {
	return &Env{Vault: vault, Client: client, Scratch: strings.ToLower(rand.Text())}
}

// Check is one promise and the code that tries it.
type Check struct {
	Name    string // short and unique, e.g. "put-concurrent"
	Promise string // a sentence
	// Run returns nil if the promise was kept, ErrNotRunnable (wrapped) if it
	// could not be tried, else what went wrong. It removes what it made, also
	// after ctx has ended.
	Run func(ctx context.Context, env *Env) error

	try func(ctx context.Context, s *scratch) error
}

func check(name, promise string, try func(ctx context.Context, s *scratch) error) Check {
	run := func(ctx context.Context, env *Env) error {
		s := env.scratch(name)
		err := try(ctx, s)
		unclean := s.clean(context.WithoutCancel(ctx))
		if unclean != nil && errors.Is(err, ErrNotRunnable) {
			return unclean
		}
		return errors.Join(err, unclean)
	}
	return Check{Name: name, Promise: promise, Run: run, try: try}
}

// Checks returns all checks, in the order of the contract.
func Checks() []Check {
	var all []Check
	for _, some := range [][]Check{
		listChecks(), readChecks(), putChecks(), keyChecks(),
		uploadChecks(), completeChecks(), partChecks(), receiveChecks(), downloadChecks(),
		deleteChecks(), stateChecks(), contextChecks(),
	} {
		all = append(all, some...)
	}
	return all
}

// Result is what became of one check.
type Result struct {
	Check
	Err  error // nil: the promise was kept
	Took time.Duration
}

// Skipped reports whether the check could not be run: neither kept nor broken.
func (r Result) Skipped() bool { return errors.Is(r.Err, ErrNotRunnable) }

// Run runs all checks, one after the other, until ctx ends.
func Run(ctx context.Context, env *Env) []Result {
	var results []Result
	for _, c := range Checks() {
		if ctx.Err() != nil {
			break
		}
		begun := time.Now()
		err := c.Run(ctx, env)
		results = append(results, Result{Check: c, Err: err, Took: time.Since(begun)})
	}
	return results
}

// scratch is one check's own part of the vault.
type scratch struct {
	*Env
	prefix string // of objects
	state  string // prefix of documents
}

func (e *Env) scratch(check string) *scratch {
	return &scratch{
		Env:    e,
		prefix: holdfast.ScratchPrefix + e.Scratch + "/" + check + "/",
		state:  holdfast.StatePrefix + "scratch-" + e.Scratch + "/" + check + "/",
	}
}

// advance moves the vault's clock.
func (s *scratch) advance(ctx context.Context, d time.Duration) error {
	if s.Advance == nil {
		return fmt.Errorf("needs a clock that can be moved: %w", ErrNotRunnable)
	}
	return s.Advance(ctx, d)
}

// clean removes what the check has left.
func (s *scratch) clean(ctx context.Context) error {
	var errs []error
	for u, err := range s.Vault.ListUploads(ctx, s.prefix) {
		if err != nil {
			errs = append(errs, err)
			break
		}
		errs = append(errs, s.Vault.AbortUpload(ctx, u))
	}
	for _, prefix := range []string{s.prefix, s.state} {
		objects, err := s.list(ctx, prefix)
		errs = append(errs, err)
		for _, o := range objects {
			errs = append(errs, s.Vault.Delete(ctx, o.Key))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("clean up: %w", err)
	}
	return nil
}
