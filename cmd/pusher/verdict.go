package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/push"
	"github.com/holdfast-backup/holdfast/internal/source/files"
	"github.com/holdfast-backup/holdfast/internal/vault/direct"
)

// verdict returns nil if all of the jobs are well, else the error with the exit
// code. What failed was told already, job by job; where that was JSON, standard
// error says it once more in words, else how many they were and who has the others.
func verdict(outcomes []push.Outcome, jobs int, inWords bool) error {
	var errs []error
	var told []string
	wholly := 0
	for _, o := range outcomes {
		switch o.Status {
		case push.Failed:
			wholly++
		case push.Partial:
			told = append(told, partly(o))
		}
		if err := o.Err(); err != nil {
			errs = append(errs, advised(fmt.Errorf("%s/%s: %w", o.Host, o.Job, err)))
		}
	}
	if wholly > 0 {
		told = slices.Insert(told, 0, fmt.Sprintf("%d of %d jobs failed", wholly, jobs))
	}
	stopped := jobs - len(outcomes)
	if stopped > 0 {
		errs = append(errs, fmt.Errorf("stopped before %d more jobs", stopped))
		wholly += stopped
	}
	if len(errs) == 0 {
		return nil
	}
	err := errors.Join(errs...)
	if inWords && stopped == 0 {
		err = summed{err, strings.Join(told, "; ")}
	}
	if wholly == jobs {
		return err
	}
	return cli.Partial(err)
}

// summed is the failure of jobs of which each was told already.
type summed struct {
	error
	text string
}

func (s summed) Error() string { return s.text }
func (s summed) Unwrap() error { return s.error }

// partly says of a backup that exists where.
func partly(o push.Outcome) string {
	have := 0
	for _, d := range o.Deliveries {
		if d.Status == push.OK {
			have++
		}
	}
	if have == len(o.Deliveries) {
		return fmt.Sprintf("%s/%s: the backup exists, and what was to follow it failed", o.Host, o.Job)
	}
	return fmt.Sprintf("%s/%s: %d of %d destinations have it", o.Host, o.Job, have, len(o.Deliveries))
}

// advised adds to an error what to do about it.
func advised(err error) error {
	if _, ok := errors.AsType[*files.UnreadableError](err); ok {
		return cli.Hint(err, "let this user read it, leave it out with exclude, or set skip_unreadable: true, which makes it a warning")
	}
	if errors.Is(err, direct.ErrNoDirectory) {
		return cli.Hint(err, "is its disk mounted? if there never was one, make it: install -d -m 0700 PATH")
	}
	return err
}
