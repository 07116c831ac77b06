package retention

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// fakeVault lists, deletes and aborts, and does what a test tells it to.
type fakeVault struct {
	mu      sync.Mutex
	objects map[string]holdfast.Object
	uploads []holdfast.Upload
	deleted []string         // in order
	aborted []string         // upload ids
	errs    map[string]error // of Delete and AbortUpload, by key
	onList  func(prefix string)
	onDel   func(key string)
	listErr error // after the last object of any listing
}

func newVault() *fakeVault {
	return &fakeVault{objects: map[string]holdfast.Object{}, errs: map[string]error{}}
}

func (v *fakeVault) List(ctx context.Context, prefix string) iter.Seq2[holdfast.Object, error] {
	return func(yield func(holdfast.Object, error) bool) {
		if v.onList != nil {
			v.onList(prefix)
		}
		v.mu.Lock()
		objects := make([]holdfast.Object, 0, len(v.objects))
		for key, o := range v.objects {
			if strings.HasPrefix(key, prefix) {
				objects = append(objects, o)
			}
		}
		v.mu.Unlock()
		slices.SortFunc(objects, func(a, b holdfast.Object) int { return strings.Compare(a.Key, b.Key) })
		for _, o := range objects {
			if ctx.Err() != nil {
				yield(holdfast.Object{}, ctx.Err())
				return
			}
			if !yield(o, nil) {
				return
			}
		}
		if v.listErr != nil {
			yield(holdfast.Object{}, v.listErr)
		}
	}
}

func (v *fakeVault) ListUploads(_ context.Context, prefix string) iter.Seq2[holdfast.Upload, error] {
	return func(yield func(holdfast.Upload, error) bool) {
		for _, u := range v.uploads {
			if (u.Key == "" || strings.HasPrefix(u.Key, prefix)) && !yield(u, nil) {
				return
			}
		}
	}
}

func (v *fakeVault) Delete(ctx context.Context, key string) error {
	if v.onDel != nil {
		v.onDel(key)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := v.errs[key]; err != nil {
		return fmt.Errorf("delete %q: %w", key, err)
	}
	delete(v.objects, key)
	v.deleted = append(v.deleted, key)
	return nil
}

// inBatches is the vault as one that deletes many objects in few requests.
type inBatches struct{ *fakeVault }

func (v inBatches) DeleteBatch(ctx context.Context, keys []string) []error {
	errs := make([]error, len(keys))
	for i, key := range keys {
		errs[i] = v.Delete(ctx, key)
	}
	return errs
}

// eachWay runs a test with a vault that deletes one by one, and in batches.
func eachWay(t *testing.T, test func(t *testing.T, v *fakeVault, vault Vault)) {
	t.Run("one by one", func(t *testing.T) { v := newVault(); test(t, v, v) })
	t.Run("in batches", func(t *testing.T) { v := newVault(); test(t, v, inBatches{v}) })
}

func (v *fakeVault) AbortUpload(_ context.Context, u holdfast.Upload) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.errs[u.Key]; err != nil {
		return err
	}
	v.aborted = append(v.aborted, u.ID)
	return nil
}

func (v *fakeVault) put(key string, size int64, modified time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.objects[key] = holdfast.Object{Key: key, Size: size, ModTime: modified}
}

// commit stores a whole backup of web1/job, admitted at t, and returns it.
func (v *fakeVault) commit(job string, t time.Time, size int64) holdfast.Ref {
	ref := v.orphan(job, t, size)
	v.put(ref.ManifestKey(), 10, t)
	return ref
}

// orphan stores the data of a backup of web1/job, admitted at t, and no manifest.
func (v *fakeVault) orphan(job string, t time.Time, size int64) holdfast.Ref {
	ref := holdfast.Ref{Host: "web1", Job: job, ID: idAt(t, 0)}
	v.put(ref.Key("crm.sql.zst.age"), size, t)
	return ref
}

func (v *fakeVault) hold(ref holdfast.Ref) { v.put(ref.HoldKey(), 2, now) }

func (v *fakeVault) has(key string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	_, ok := v.objects[key]
	return ok
}

// keys returns what is stored, in order.
func (v *fakeVault) keys() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Sorted(maps.Keys(v.objects))
}

// backups returns the ids of the whole backups of web1/job, oldest first.
func (v *fakeVault) backups(job string) []holdfast.ID {
	var ids []holdfast.ID
	for _, key := range v.keys() {
		ref, file, ok := holdfast.ParseKey(key)
		if ok && ref.Job == job && file == holdfast.ManifestFile {
			ids = append(ids, ref.ID)
		}
	}
	return ids
}

func idAt(t time.Time, n uint32) holdfast.ID {
	id, err := holdfast.NewID(t, strings.NewReader(string([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})))
	if err != nil {
		panic(err) // four bytes are there
	}
	return id
}

const day = 24 * time.Hour

var now = time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)

// nightly stores n backups of web1/job, one each 24 hours, the newest 10 hours
// old, and returns them newest first.
func (v *fakeVault) nightly(job string, n int) []holdfast.Ref {
	refs := make([]holdfast.Ref, n)
	for i := range refs {
		refs[i] = v.commit(job, now.Add(-10*time.Hour-time.Duration(i)*day), 1000)
	}
	return refs
}

// keepLast is a policy that keeps n backups, and expects one a day.
func keepLast(n int) Policies {
	return func(string, string) (holdfast.Keep, holdfast.Expect, bool) {
		return holdfast.Keep{Form: holdfast.Counts, Counts: holdfast.KeepCounts{Last: n}, MinKeep: 3},
			holdfast.Expect{Every: holdfast.Span{N: 1, Unit: holdfast.Day}, Grace: holdfast.Span{N: 2, Unit: holdfast.Hour}, Shrink: 0.5}, true
	}
}

func mustRun(t *testing.T, v Vault, policies Policies, o Options) Summary {
	t.Helper()
	if o.Now.IsZero() {
		o.Now = now
	}
	s, err := Run(t.Context(), v, policies, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
