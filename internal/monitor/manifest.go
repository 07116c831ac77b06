package monitor

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/token"
)

// want is a backup whose manifest is to be read: the one at kept[place] of the view.
type want struct {
	view   *view
	place  int
	backup holdfast.Backup
}

// wanted is what is to be read, within a budget: the newest of every job come
// before the second newest of any, so that no job waits for another one's past.
type wanted struct {
	budget int
	left   int // what the budget did not allow
	total  int
	ranks  [][]want
	again  []want // read before, and bad
}

func newWanted(budget int) *wanted { return &wanted{budget: max(budget, 0)} }

// add keeps at most budget of them, so that a first look at a large vault does
// not hold all of it.
func (w *wanted) add(rank int, again bool, one want) {
	if again {
		if len(w.again) < w.budget {
			w.again = append(w.again, one)
		} else {
			w.left++
		}
		return
	}
	for len(w.ranks) <= rank {
		w.ranks = append(w.ranks, nil)
	}
	w.ranks[rank] = append(w.ranks[rank], one)
	w.total++
	if w.total <= w.budget {
		return
	}
	for i := len(w.ranks) - 1; i >= 0; i-- {
		if n := len(w.ranks[i]); n > 0 {
			w.ranks[i] = w.ranks[i][:n-1]
			break
		}
	}
	w.total--
	w.left++
}

// take returns what to read.
func (w *wanted) take() []want {
	all := slices.Concat(w.ranks...)
	rest := min(len(w.again), w.budget-len(all))
	w.left += len(w.again) - rest
	return append(all, w.again[:rest]...)
}

// maxInFlight bounds the manifests in memory at once, in bytes. A host may have
// pushed some that are as large as allowed.
const maxInFlight = 2 * holdfast.MaxManifestSize

// readManifests reads what is wanted and records what it says of the backups.
// An error means that none could be read at all, or that ctx has ended.
func (r *run) readManifests(ctx context.Context, wanted *wanted) error {
	all := wanted.take()
	r.count.ManifestsLeft, r.count.Manifests = wanted.left, len(all)
	memory := semaphore.NewWeighted(maxInFlight)
	var group errgroup.Group
	group.SetLimit(r.opts.Concurrency)
	facts, errs := make([]fact, len(all)), make([]error, len(all))
	keys := map[string][]ed25519.PublicKey{}
	for i, w := range all {
		host := w.view.name.Host
		if _, ok := keys[host]; !ok {
			keys[host] = r.opts.HostKeys(host)
		}
		trusted, weight := keys[host], max(1, min(w.backup.Manifest.Size, maxInFlight))
		if err := memory.Acquire(ctx, weight); err != nil {
			break // ctx has ended
		}
		group.Go(func() error {
			defer memory.Release(weight)
			var m holdfast.Manifest
			m, errs[i] = r.openManifest(ctx, w.backup.Ref, trusted)
			facts[i] = learn(w.backup, m, errs[i])
			return nil
		})
	}
	group.Wait() // the errors are in errs
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("read manifests: %w", err)
	}
	return apply(all, facts, errs, r)
}

// refused is the reason why a manifest is not accepted, whoever reads it.
type refused struct{ reason string }

func (e refused) Error() string { return e.reason }

// openManifest reads a manifest and proves that the host signed it. The error
// is a refused one where reading it again would give the same.
//
// A manifest is what a host has written; one that this code cannot bear must not
// end the judgement of all others.
func (r *run) openManifest(ctx context.Context, ref holdfast.Ref, trusted []ed25519.PublicKey) (_ holdfast.Manifest, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("read manifest of %s: panic: %v", ref, p)
		}
	}()
	if len(trusted) == 0 {
		return holdfast.Manifest{}, refused{fmt.Sprintf("no public key of host %q is configured", ref.Host)}
	}
	doc, err := r.read(ctx, ref.ManifestKey(), holdfast.MaxManifestSize)
	if err != nil {
		return holdfast.Manifest{}, err
	}
	m, err := token.OpenManifest(doc, trusted...)
	if err != nil {
		return holdfast.Manifest{}, refused{oneLine(err.Error())}
	}
	if m.Ref != ref {
		return holdfast.Manifest{}, refused{fmt.Sprintf("it is the manifest of %s", m.Ref)}
	}
	return m, nil
}

// read returns a small object; a refused error if it is larger than limit or
// the vault calls it corrupt.
func (r *run) read(ctx context.Context, key string, limit int64) ([]byte, error) {
	body, err := r.vault.Open(ctx, key, 0, -1)
	if err == nil {
		defer body.Close()
		var doc []byte
		if doc, err = io.ReadAll(io.LimitReader(body, limit+1)); err == nil {
			if int64(len(doc)) > limit {
				return nil, refused{fmt.Sprintf("it is larger than %s", holdfast.Size(limit))}
			}
			return doc, nil
		}
	}
	if errors.Is(err, holdfast.ErrCorrupt) {
		return nil, refused{oneLine(err.Error())}
	}
	return nil, err
}

// learn makes the fact of a backup from its manifest, or from why there is none.
func learn(b holdfast.Backup, m holdfast.Manifest, err error) fact {
	f := fact{ID: b.ID}
	if err != nil {
		f.Fault, f.Reason = holdfast.CheckManifest, oneLine(err.Error())
		return f
	}
	f.Plain, f.Digest, f.Ratios = m.PlainSize(), digestStreams(m), ratios(m)
	f.Fault, f.Reason = compare(b, m)
	return f
}

// compare holds the listed objects against the streams of the manifest.
func compare(b holdfast.Backup, m holdfast.Manifest) (fault, reason string) {
	listed := map[string]int64{}
	for _, o := range b.Data {
		_, file, _ := holdfast.ParseKey(o.Key)
		listed[file] = o.Size
	}
	var wrong, unexpected []string
	for _, s := range m.Streams {
		switch size, ok := listed[s.File]; {
		case !ok:
			wrong = append(wrong, s.File+" is missing")
		case size != s.StoredSize:
			wrong = append(wrong, fmt.Sprintf("%s is %d bytes, not %d", s.File, size, s.StoredSize))
		}
		delete(listed, s.File)
	}
	for file := range listed {
		unexpected = append(unexpected, file+" is not of this backup")
	}
	slices.Sort(unexpected)
	reason = oneLine(strings.Join(append(wrong, unexpected...), "; "))
	switch {
	case len(wrong) > 0:
		return holdfast.CheckStored, reason
	case len(unexpected) > 0:
		return faultUnexpected, reason
	}
	return "", ""
}

// fewReads is how many failed reads may still be the fault of the objects.
const fewReads = 5

// apply puts what was learned into the views.
func apply(all []want, facts []fact, errs []error, r *run) error {
	failed, last := 0, error(nil)
	for i, w := range all {
		k := &w.view.kept[w.place]
		switch err := errs[i]; {
		case err == nil, errors.As(err, new(refused)):
			f := facts[i]
			if f.Fault != "" {
				f.At = r.look.at
			}
			if k.fact.Fault == holdfast.CheckHash && f.Fault != holdfast.CheckManifest {
				// What a re-read has shown only a re-read can take back.
				f.Fault, f.Reason, f.At = k.fact.Fault, k.fact.Reason, k.fact.At
			}
			k.fact, k.known, k.learned, k.settled = f, true, true, true
		case errors.Is(err, holdfast.ErrNotExist):
			k.gone = true // deleted since it was listed
		default:
			k.trouble, last = err, err
			failed++
		}
	}
	if failed >= fewReads && failed == len(all) {
		return fmt.Errorf("none of %d manifests can be read: %w", failed, last)
	}
	return nil
}
