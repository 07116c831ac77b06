package operator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/restore"
)

// Copy is a backup opened in one of its vaults.
type Copy struct {
	Entry
	*restore.Backup
}

// Opener opens the backup that f fetches: it proves the manifest.
type Opener func(ctx context.Context, f restore.Fetcher) (*restore.Backup, error)

// FirstCopy opens the copies of a backup one after the other, in their order,
// until use can do with one what it has to. It goes on to the next where one
// cannot be reached, is not what the host signed, or is corrupt, and tells warn of
// it; any other failure would be the same with the next. use reports whether what
// it began can still be begun again.
func FirstCopy(ctx context.Context, b Backups, p Placed, open Opener, warn func(text string), use func(Copy) (again bool, err error)) error {
	for i, e := range p.Places {
		f := tryCopy(ctx, b, e, open, use)
		if f == nil {
			return nil
		}
		if i == len(p.Places)-1 || !f.ofCopy || ctx.Err() != nil {
			return f.err
		}
		next := p.Places[i+1].Vault
		if !f.again {
			return otherCopy{f.err, next}
		}
		warn(fmt.Sprintf("%s in vault %q: %v; going on with vault %q", e.Ref, e.Vault, f.err, next))
	}
	return fmt.Errorf("%s: %w", p.Ref, holdfast.ErrNotExist)
}

// otherCopy is a failure after which another copy can be taken by hand.
type otherCopy struct {
	error
	vault string
}

// Unwrap returns the failure.
func (o otherCopy) Unwrap() error { return o.error }

// Hint returns what to do about it.
func (o otherCopy) Hint() string {
	return fmt.Sprintf("vault %q has it too: begin again with --vault %s", o.vault, o.vault)
}

// failure is why a copy was of no use.
type failure struct {
	err    error
	ofCopy bool // another may do better
	again  bool // what was begun with it can be begun again
}

func tryCopy(ctx context.Context, b Backups, e Entry, open Opener, use func(Copy) (bool, error)) *failure {
	f, err := b.Fetcher(e)
	if err != nil {
		return &failure{err, true, true}
	}
	watched := &watched{Fetcher: f}
	backup, err := open(ctx, watched)
	if err != nil {
		return &failure{err, true, true}
	}
	again, err := use(Copy{e, backup})
	if err == nil {
		return nil
	}
	return &failure{err, watched.failed.Load() || errors.Is(err, holdfast.ErrCorrupt), again}
}

// watched remembers whether fetching has failed, which another vault may not.
type watched struct {
	restore.Fetcher
	failed atomic.Bool
}

// Open implements restore.Fetcher.
func (w *watched) Open(ctx context.Context, s holdfast.Stream) (io.ReadCloser, error) {
	r, err := w.Fetcher.Open(ctx, s)
	if err != nil {
		w.failed.Store(true)
		return nil, err
	}
	return watchedReader{r, w}, nil
}

type watchedReader struct {
	io.ReadCloser
	of *watched
}

func (r watchedReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		r.of.failed.Store(true)
	}
	return n, err
}
