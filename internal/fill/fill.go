// Package fill copies backups from one vault to another that lacks them: to fill
// a new vault, or one that was down for a while. It proves each manifest's
// signature and each object's size and hash on the way, sends data before
// manifests, and replaces nothing: a copy that was cut off anywhere is begun again
// by running it again, and what it left is no backup.
package fill

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/presigned"
)

// Source is a vault that is copied from.
type Source interface {
	holdfast.Lister
	holdfast.Reader
}

// Target is a vault that is copied to. One that is a holdfast.Receiver is handed
// the parts, any other signs requests for them. It is read where an object is
// there already, to prove that it is the same.
type Target interface {
	holdfast.Lister
	holdfast.Reader
	holdfast.Putter
	holdfast.Uploader
}

// Options say what is copied, and how.
type Options struct {
	// Jobs says which jobs are copied; all if nil.
	Jobs func(host, job string) bool
	// Keep returns what retention goes by in the target; ok is false for a job that
	// it leaves alone. What it would delete at once is left out. Nil: nothing is.
	Keep func(host, job string) (k holdfast.Keep, ok bool)
	// HostQuota is set where hosts write to the source by themselves, so that its
	// jobs, ids, sizes and holds are theirs to choose. It returns what a host may
	// send of a job, or why it may send nothing of it. What a broker would not have
	// let in is left out, and no backup is held in the target for a hold in the source.
	HostQuota func(host, job string) (q holdfast.Quota, refusal string)
	// HostSends reports whether hosts send backups of the job to the target; nil: they
	// do. There an upload that is not finished may be a host's.
	HostSends func(host, job string) bool
	// HostKeys returns the keys that may have signed a host's manifests.
	HostKeys func(host string) ([]ed25519.PublicKey, error)
	// SkipSignature takes manifests that are signed with a key nobody knows.
	SkipSignature bool
	// DryRun says what would be copied, and proves no data.
	DryRun bool
	// Progress, if set, is called as bytes of a backup are copied.
	Progress func(ref holdfast.Ref, done, total int64)
	// Done, if set, is called after each backup, with the error it failed with.
	Done func(c Copied, err error)
	// Warn, if set, is told what a person should know though copying goes on.
	Warn func(text string)
	HTTP *http.Client // sends signed parts; default presigned.NewUploadClient
	Now  func() time.Time

	wait func(ctx context.Context, d time.Duration) error // between attempts
}

// Result is what was done.
type Result struct {
	DryRun  bool     `json:"dry_run,omitempty"`
	Copied  []Copied `json:"copied"`  // the newest first
	Present int      `json:"present"` // were there already
	Left    []Left   `json:"left"`    // out, since retention would delete them
	Refused []Left   `json:"refused"` // since no host may send them, or hold them: see Options.HostQuota
	Failed  []Failed `json:"failed"`
	// Adopted is how many were left out because something else made them: they have
	// nothing that a copy could be proven by.
	Adopted int `json:"adopted,omitempty"`
	// Unheld are those of Copied that are held in the source alone, for Options.HostQuota.
	Unheld []holdfast.Ref `json:"unheld,omitempty"`
}

// Copied is a backup that is in the target now.
type Copied struct {
	Ref  holdfast.Ref `json:"ref"`
	Size int64        `json:"size"` // bytes, of its data objects
	Sent int64        `json:"sent"` // bytes of them that were not there already
}

// Left is a backup that was left out, and why.
type Left struct {
	Ref     holdfast.Ref `json:"ref"`
	Reasons []string     `json:"reasons"`
	// Held is set where a hold, of which nobody knows whose it is, would have kept it.
	Held bool `json:"held,omitempty"`
}

// Failed is a backup that was not copied.
type Failed struct {
	Ref   holdfast.Ref `json:"ref"`
	Error string       `json:"error"`
}

// Run copies what the target lacks, the newest first. One backup that fails does
// not stop the others, and is in the result; the error is not nil where copying
// could not begin or go on: a vault that cannot be listed, ctx, or
// holdfast.ErrFull.
func Run(ctx context.Context, from Source, to Target, o Options) (Result, error) {
	o = o.withDefaults()
	result := Result{DryRun: o.DryRun, Copied: []Copied{}, Left: []Left{}, Refused: []Left{}, Failed: []Failed{}}
	c := copier{Options: o, from: from, to: to}
	missing, err := c.missing(ctx, &result)
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return result, err
	}
	slices.SortFunc(missing, func(a, b holdfast.Backup) int { return strings.Compare(string(b.ID), string(a.ID)) })
	for _, b := range missing {
		done, err := Copied{Ref: b.Ref, Size: b.DataSize()}, error(nil)
		if !o.DryRun {
			done, err = c.backup(ctx, b)
		}
		if err == nil {
			result.Copied = append(result.Copied, done)
		} else {
			result.Failed = append(result.Failed, Failed{b.Ref, err.Error()})
		}
		o.Done(done, err)
		if ctx.Err() != nil {
			return result, context.Cause(ctx)
		}
		if errors.Is(err, holdfast.ErrFull) {
			return result, fmt.Errorf("copy %s: %w", b.Ref, err) // the others would fail the same way
		}
	}
	return result, nil
}

func (o Options) withDefaults() Options {
	if o.Jobs == nil {
		o.Jobs = func(string, string) bool { return true }
	}
	if o.Keep == nil {
		o.Keep = func(string, string) (holdfast.Keep, bool) { return holdfast.Keep{}, false }
	}
	if o.HostSends == nil {
		o.HostSends = func(string, string) bool { return true }
	}
	if o.Progress == nil {
		o.Progress = func(holdfast.Ref, int64, int64) {}
	}
	if o.Done == nil {
		o.Done = func(Copied, error) {}
	}
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	if o.HTTP == nil {
		o.HTTP = presigned.NewUploadClient(atOnce) // a connection for each part on its way
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.wait == nil {
		o.wait = wait
	}
	return o
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
