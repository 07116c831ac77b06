package monitor

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// When a backup's turn comes again: the newest one of a job that stays the
// newest, and one that was found corrupt, for the case that only the reading was.
const (
	rereadAfter = 30 * 24 * time.Hour
	doubtAfter  = 24 * time.Hour
)

// turn is one backup that is due to be re-read.
type turn struct {
	view  *view
	place int
	since time.Time // waiting since; the longest goes first
	// resumed marks the one that the last run did not finish.
	resumed bool
}

// reread reads data objects again within the budget and compares their hashes:
// first the one that the last run could not finish, then the newest good backup
// of each job in turn.
func (r *run) reread(ctx context.Context, unfinished *reading) error {
	left := r.opts.HashBytes
	if left <= 0 {
		return nil
	}
	turns := r.turns(unfinished)
	if unfinished != nil && r.look.covers(holdfast.JobName{Host: unfinished.Host, Job: unfinished.Job}) &&
		(len(turns) == 0 || turns[0].ref() != unfinished.Ref) {
		unfinished, r.look.readOn = nil, true // deleted, or found bad
	}
	for _, t := range turns {
		if left <= 0 {
			break
		}
		used, err := r.rereadBackup(ctx, t, unfinished, left)
		left -= used
		r.count.BytesReread += used
		if ctx.Err() != nil {
			return fmt.Errorf("re-read %s: %w", t.view.name, ctx.Err())
		}
		if errors.Is(err, errBudget) {
			break
		}
		t.conclude(err, r.look.at)
		if err == nil {
			r.count.BackupsReread++
		}
		if unfinished != nil && unfinished.Ref == t.ref() {
			unfinished, r.look.readOn = nil, true
		}
	}
	return nil
}

func (t turn) ref() holdfast.Ref { return t.view.ref(t.view.kept[t.place]) }

// turns returns the backups that are due, the longest waiting first, before
// them the unfinished one. That is read to its end even if it is not the newest
// any more, or an object that takes days to read would never be.
func (r *run) turns(unfinished *reading) []turn {
	var turns []turn
	for _, v := range r.look.views {
		newest := v.newest()
		for i := range v.kept {
			k := &v.kept[i]
			switch {
			case k.adopted || !k.settled || k.gone || k.fact.Fault == holdfast.CheckStored:
			case unfinished != nil && v.ref(*k) == unfinished.Ref:
				turns = append(turns, turn{view: v, place: i, resumed: true})
			case k.fact.Fault == holdfast.CheckHash:
				if r.look.at.Sub(k.fact.At) >= doubtAfter {
					turns = append(turns, turn{view: v, place: i, since: k.fact.At})
				}
			case k == newest:
				if v.reread.ID != k.id || r.look.at.Sub(v.reread.At) >= rereadAfter {
					turns = append(turns, turn{view: v, place: i, since: v.reread.At})
				}
			}
		}
	}
	slices.SortFunc(turns, func(a, b turn) int {
		return cmp.Or(order(a.resumed, b.resumed), a.since.Compare(b.since), cmp.Compare(a.view.name.String(), b.view.name.String()), cmp.Compare(a.place, b.place))
	})
	return turns
}

// order puts true before false.
func order(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// errBudget ends a run's re-reading; the rest comes in the next run.
var errBudget = errors.New("the budget is used up")

// mismatch says that stored bytes are not those of the manifest.
type mismatch struct{ reason string }

func (e mismatch) Error() string { return e.reason }

// rereadBackup reads the objects of a backup, from where unfinished stopped if
// that is of it, and returns how many bytes it read: never more than left.
func (r *run) rereadBackup(ctx context.Context, t turn, unfinished *reading, left int64) (used int64, err error) {
	ref := t.ref()
	m, err := r.openManifest(ctx, ref, r.opts.HostKeys(ref.Host))
	r.count.Manifests++
	if err != nil {
		return 0, err
	}
	streams := m.Streams
	var at *reading
	if unfinished != nil && unfinished.Ref == ref {
		if i := slices.IndexFunc(streams, func(s holdfast.Stream) bool { return s.File == unfinished.File }); i >= 0 {
			streams, at = streams[i:], unfinished
		}
	}
	for _, s := range streams {
		sum, offset := resume(at, s.StoredSize)
		at = nil
		n := min(s.StoredSize-offset, left-used)
		read, err := r.hashRange(ctx, ref.Key(s.File), sum, offset, n)
		used += read
		if err != nil {
			return used, err
		}
		if offset += read; offset < s.StoredSize {
			r.look.reading, r.look.readOn = pause(ref, s.File, offset, sum), true
			return used, errBudget
		}
		if got := hex.EncodeToString(sum.Sum(nil)); got != s.StoredSHA256 {
			return used, mismatch{fmt.Sprintf("%s has SHA-256 %s…, not %s…", s.File, got[:12], s.StoredSHA256[:12])}
		}
	}
	return used, nil
}

// hashRange adds n bytes of an object to sum.
func (r *run) hashRange(ctx context.Context, key string, sum hash.Hash, offset, n int64) (int64, error) {
	if n == 0 {
		return 0, nil
	}
	body, err := r.vault.Open(ctx, key, offset, n)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	read, err := io.Copy(sum, io.LimitReader(body, n))
	if err == nil && read < n {
		err = mismatch{fmt.Sprintf("%q ends after %d bytes", key, offset+read)}
	}
	return read, err
}

// pause keeps the state of a hash for the next run.
func pause(ref holdfast.Ref, file string, offset int64, sum hash.Hash) *reading {
	state, err := sum.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return nil // the next run begins at the object's start
	}
	return &reading{Ref: ref, File: file, Offset: offset, Sum: state}
}

// resume returns the hash as pause kept it, and how far it is; a new one where
// there is nothing to go on with.
func resume(at *reading, size int64) (hash.Hash, int64) {
	sum := sha256.New()
	if at != nil && at.Offset >= 0 && at.Offset < size && sum.(encoding.BinaryUnmarshaler).UnmarshalBinary(at.Sum) == nil {
		return sum, at.Offset
	}
	return sha256.New(), 0
}

// conclude records what the re-read of a backup has shown.
func (t turn) conclude(err error, now time.Time) {
	v, k := t.view, &t.view.kept[t.place]
	v.tried = true
	var wrong mismatch
	switch {
	case err == nil:
		if k.fact.Fault == holdfast.CheckHash {
			k.fact.Fault, k.fact.Reason = "", ""
		}
		v.reread = reread{k.id, now}
	case errors.As(err, &wrong), errors.Is(err, holdfast.ErrCorrupt):
		k.fact.Fault, k.fact.Reason, k.fact.At = holdfast.CheckHash, oneLine(err.Error()), now
		v.reread = reread{k.id, now}
	case errors.As(err, new(refused)): // it was valid when it was first read
		k.fact.Fault, k.fact.Reason, k.fact.At = holdfast.CheckManifest, oneLine(err.Error()), now
	case errors.Is(err, holdfast.ErrNotExist):
		// Deleted since it was listed, or its objects were: the next
		// listing tells which.
	default:
		v.unread, v.unreadID = err, k.id
	}
	k.learned = true
}
