package retention

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/catalog"
)

const (
	// OrphanAge is how old an unfinished upload or data without a manifest must be
	// before the sweep removes it: longer than any upload token lives, so that no
	// backup still under way loses anything. Both the store's time of it and its id
	// must be that old: the store's clock can be days behind, as on a small computer
	// without a battery, or a mount of another machine.
	OrphanAge = 48 * time.Hour
	// ReportAge is how old, by the vault's clock, a report must be before the
	// sweep removes it.
	ReportAge = 90 * 24 * time.Hour
)

// Swept is what the sweep removed, or would remove in a dry run.
type Swept struct {
	Orphans []holdfast.Ref    `json:"orphans,omitempty"` // data without a manifest
	Objects int               `json:"objects"`           // of those orphans
	Bytes   int64             `json:"bytes"`             // of those objects
	Uploads []holdfast.Upload `json:"uploads,omitempty"` // never finished
	Reports int               `json:"reports"`
	Held    []holdfast.Ref    `json:"held,omitempty"`   // orphans that somebody holds, so left
	Hidden  []holdfast.Ref    `json:"hidden,omitempty"` // not orphans: somebody deleted their manifests by name; left
	Locked  []string          `json:"locked,omitempty"` // keys that a lock of the vault protects for now
	Failed  []Failure         `json:"failed,omitempty"`
	// Stray are objects and uploads that are not where Holdfast puts any. They
	// are left.
	Stray Stray `json:"stray"`
}

// Stray counts objects that Holdfast does not know.
type Stray struct {
	Count int      `json:"count"`
	Bytes int64    `json:"bytes"`
	Keys  []string `json:"keys,omitempty"` // of the first few
}

const strayKeys = 5 // how many of them are named

func (s *Stray) add(key string, size int64) {
	s.Count++
	s.Bytes += size
	if len(s.Keys) < strayKeys {
		s.Keys = append(s.Keys, key)
	}
}

// revealer is a vault that keeps what was deleted by name. Its Delete leaves
// nothing hidden.
type revealer interface {
	// Hidden reports whether something with that prefix is no longer listed and
	// still there.
	Hidden(ctx context.Context, prefix string) (bool, error)
}

// sweeper removes what interrupted backups and time left behind.
type sweeper struct {
	vault       Vault
	now         time.Time
	dryRun      bool
	concurrency int
	may         func(host, job string) bool // whether it may touch that job

	mu  sync.Mutex // guards out
	out Swept
}

// old reports whether t, by the vault's clock, is longer ago than age. What has
// no time is never old.
func (s *sweeper) old(t time.Time, age time.Duration) bool {
	return !t.IsZero() && t.Before(s.now.Add(-age))
}

// orphans removes the job's data that no manifest needs. job is the listing
// before anything was deleted from it.
func (s *sweeper) orphans(ctx context.Context, job catalog.Job) {
	unneeded := map[holdfast.ID][]holdfast.Object{}
	for _, o := range job.Unneeded(func(holdfast.ID) bool { return false }) {
		if ref, _, ok := holdfast.ParseKey(o.Key); ok {
			unneeded[ref.ID] = append(unneeded[ref.ID], o)
		}
	}
	var orphans []holdfast.Backup
	for _, b := range job.Backups {
		b.Data = unneeded[b.ID]
		if b.Committed || len(b.Data) == 0 && !b.Held || !s.allOld(b.ID, b.Data) {
			continue
		}
		orphans = append(orphans, b)
	}
	inParallel(ctx, s.concurrency, len(orphans), func(i int) { s.orphan(ctx, orphans[i]) })
}

// young reports whether the backup was admitted so short a time ago that it may be
// under way, whatever the store's clock says of its data. An id of the future, which
// only a host's own clock can have given, says nothing.
func (s *sweeper) young(id holdfast.ID) bool {
	admitted := id.Time()
	return !s.old(admitted, OrphanAge) && !admitted.After(s.now.Add(OrphanAge))
}

// allOld reports whether the backup and each of its objects is old enough. A backup
// with one young stream may still be under way, however old its others are.
func (s *sweeper) allOld(id holdfast.ID, objects []holdfast.Object) bool {
	return !s.young(id) && !slices.ContainsFunc(objects, func(o holdfast.Object) bool { return !s.old(o.ModTime, OrphanAge) })
}

// orphan removes the data of one backup without a manifest.
func (s *sweeper) orphan(ctx context.Context, b holdfast.Backup) {
	now, err := lookAt(ctx, s.vault, b.Ref)
	if err != nil {
		s.failed(ctx, b.Key(""), err)
		return
	}
	if now.committed || len(now.objects) == 0 || !s.allOld(b.ID, now.objects) {
		return
	}
	if now.held && len(now.objects) > 1 {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.out.Held = append(s.out.Held, b.Ref)
		return
	}
	// Data without a manifest may be a backup whose manifest somebody hid. To
	// remove the data then would make for good what can still be undone.
	if vault, ok := s.vault.(revealer); ok {
		hidden, err := vault.Hidden(ctx, b.Key(""))
		if err != nil {
			s.failed(ctx, b.Key(""), err)
			return
		}
		if hidden {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.out.Hidden = append(s.out.Hidden, b.Ref)
			return
		}
	}
	objects := b.Data
	if now.held { // a hold on nothing: it came too late for a deletion
		objects = now.objects
	}
	keys := make([]string, len(objects))
	for i, o := range objects {
		keys[i] = o.Key
	}
	count, size := 0, int64(0)
	for i, gone := range s.remove(ctx, keys) {
		if gone {
			count, size = count+1, size+objects[i].Size
		}
	}
	if count == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out.Orphans = append(s.out.Orphans, b.Ref)
	s.out.Objects, s.out.Bytes = s.out.Objects+count, s.out.Bytes+size
}

// remove deletes objects and reports which of them are, or would be, gone.
func (s *sweeper) remove(ctx context.Context, keys []string) []bool {
	gone := make([]bool, len(keys))
	if s.dryRun {
		for i := range gone {
			gone[i] = true
		}
		return gone
	}
	for i, err := range deleteAll(ctx, s.vault, s.concurrency, keys) {
		switch {
		case err == nil:
			gone[i] = true
		case errors.Is(err, holdfast.ErrLocked):
			s.mu.Lock()
			s.out.Locked = append(s.out.Locked, keys[i])
			s.mu.Unlock()
		default:
			s.failed(ctx, keys[i], err)
		}
	}
	return gone
}

func (s *sweeper) failed(ctx context.Context, key string, err error) {
	if ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out.Failed = append(s.out.Failed, Failure{key, err.Error()})
}

// result returns what was swept, in an order that does not depend on timing.
func (s *sweeper) result() Swept {
	out := s.out
	slices.SortFunc(out.Orphans, func(a, b holdfast.Ref) int { return cmp.Compare(a.Key(""), b.Key("")) })
	for _, refs := range [][]holdfast.Ref{out.Held, out.Hidden} {
		slices.SortFunc(refs, func(a, b holdfast.Ref) int { return cmp.Compare(a.Key(""), b.Key("")) })
	}
	slices.SortFunc(out.Uploads, func(a, b holdfast.Upload) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.ID, b.ID))
	})
	slices.Sort(out.Locked)
	slices.SortFunc(out.Failed, func(a, b Failure) int { return cmp.Compare(a.Key, b.Key) })
	return out
}
