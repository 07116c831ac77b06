package adopt_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/catalog"
	"github.com/holdfast-backup/holdfast/internal/vault/adopt"
	"github.com/holdfast-backup/holdfast/internal/vault/conform"
)

const foreign = "app/2025-10-28-02-00-00.zip"

var (
	manifest = key("app", "20251028T020000Z", "manifest.json")
	data     = key("app", "20251028T020000Z", "backup.zip")
)

// deletable is spatie with leave to delete.
var deletable = adopt.Entry{Host: "web1", Job: "crm", Pattern: "spatie", Delete: true}

func TestDelete(t *testing.T) {
	type step func(t *testing.T, w *world, v holdfast.Vault) error
	del := func(key string) step {
		return func(t *testing.T, _ *world, v holdfast.Vault) error { return v.Delete(t.Context(), key) }
	}
	do := func(change func(w *world)) step {
		return func(_ *testing.T, w *world, _ holdfast.Vault) error { change(w); return nil }
	}
	list := func(t *testing.T, _ *world, v holdfast.Vault) error { keys(t, v, "backups/"); return nil }
	is := func(try step, want error, text string) step {
		return func(t *testing.T, w *world, v holdfast.Vault) error { return refused(try(t, w, v), want, text) }
	}
	for _, c := range []struct {
		name  string
		entry adopt.Entry
		steps []step
		left  []string
	}{
		{"the manifest, then the data", deletable, []step{list, del(manifest), del(data)}, []string{"app/notes.txt"}},
		{"without a listing before", deletable, []step{del(manifest), del(data)}, []string{"app/notes.txt"}},
		{"and again", deletable, []step{del(manifest), del(data), del(data), del(manifest)}, []string{"app/notes.txt"}},
		{"the manifest alone deletes nothing", deletable, []step{del(manifest)}, []string{foreign, "app/notes.txt"}},
		{"the data alone is refused", deletable, []step{is(del(data), holdfast.ErrLocked, "as a whole or not at all")}, []string{foreign, "app/notes.txt"}},
		{"without leave", spatie, []step{is(del(manifest), holdfast.ErrLocked, "without delete: true"), is(del(data), holdfast.ErrLocked, "")}, []string{foreign, "app/notes.txt"}},
		{"what has grown since it was listed", deletable, []step{list,
			do(func(w *world) { w.replace(time.Hour, foreign, "longer") }),
			is(del(manifest), holdfast.ErrConflict, "have changed"), is(del(data), holdfast.ErrLocked, "")}, []string{foreign, "app/notes.txt"}},
		{"what is written to again", deletable, []step{list,
			do(func(w *world) { w.replace(time.Minute, foreign, "zip") }), is(del(manifest), holdfast.ErrConflict, "have changed")}, []string{foreign, "app/notes.txt"}},
		{"what is written to after its manifest went", deletable, []step{del(manifest),
			do(func(w *world) { w.replace(time.Hour, foreign, "longer") }), is(del(data), holdfast.ErrConflict, "have changed")}, []string{foreign, "app/notes.txt"}},
		{"what its own program has deleted meanwhile", deletable, []step{list,
			do(func(w *world) { w.bucket.Delete(w.t.Context(), foreign) }), del(manifest)}, []string{"app/notes.txt"}},
		{"what somebody else's file has come beside", deletable, []step{list, del(manifest),
			do(func(w *world) { w.put(time.Hour, "app/2025-10-28-03-00-00.zip", "x") }), del(data)}, []string{"app/2025-10-28-03-00-00.zip", "app/notes.txt"}},
		{"own data under the id of an adopted backup", deletable, []step{list,
			do(func(w *world) { w.put(time.Hour, data, "of an attacker") }), del(manifest), del(data)}, []string{foreign, "app/notes.txt"}},
		{"a hold is an own object", deletable, []step{do(func(w *world) { w.put(time.Hour, key("app", "20251028T020000Z", "hold.json"), "{}") }),
			del(key("app", "20251028T020000Z", "hold.json"))}, []string{foreign, "app/notes.txt"}},
		{"a file that no pattern matches", deletable, []step{del("backups/app/notes.txt")}, []string{foreign, "app/notes.txt"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.put(9*time.Hour, foreign, "zip")
			w.put(9*time.Hour, "app/notes.txt", "mine")
			v := w.view(c.entry)
			for i, step := range c.steps {
				if err := step(t, w, v); err != nil {
					t.Fatalf("step %d: %v", i+1, err)
				}
			}
			if diff := cmp.Diff(c.left, keys(t, w.bucket, "")); diff != "" {
				t.Errorf("left in the bucket (-want +got):\n%s", diff)
			}
		})
	}
}

// One entry with leave and one without, for files of one backup: it stays.
func TestABackupIsDeletedOnlyIfAllOfItMayBe(t *testing.T) {
	w := newWorld(t)
	w.put(time.Hour, "crm_20251028.sql", "x")
	w.put(time.Hour, "media_20251028.tar", "x")
	for _, first := range []bool{true, false} {
		v := w.view(adopt.Entry{Host: "web1", Job: "crm", Pattern: "crm_{year}{month}{day}.sql", Delete: first},
			adopt.Entry{Host: "web1", Job: "crm", Pattern: "media_{year}{month}{day}.tar", Delete: !first})
		err := v.Delete(t.Context(), key(".", "20251028T000000Z", "manifest.json"))
		if err := refused(err, holdfast.ErrLocked, "without delete: true"); err != nil {
			t.Error(err)
		}
	}
}

func TestDeleteBatch(t *testing.T) {
	w := newWorld(t)
	own := holdfast.Ref{Host: "web1", Job: "crm", ID: "20251028T040000Z-9f3c2a7d"}.Key("a.age")
	w.put(9*time.Hour, foreign, "zip")
	w.put(9*time.Hour, "app/2025-10-27-02-00-00.zip", "zip")
	w.put(9*time.Hour, own, "x")
	for _, batches := range []bool{false, true} {
		t.Run(map[bool]string{false: "one by one", true: "in one request"}[batches], func(t *testing.T) {
			var bucket holdfast.Vault = w.bucket
			if batches {
				bucket = batching{w.bucket}
			}
			v, err := adopt.New(bucket, adopt.Options{Entries: []adopt.Entry{deletable}, Now: w.clock})
			if err != nil {
				t.Fatal(err)
			}
			b := v.(interface {
				DeleteBatch(context.Context, []string) []error
			})
			errs := b.DeleteBatch(t.Context(), []string{own, key("app", "20251027T020000Z", "backup.zip"), manifest, "scratch/none"})
			if len(errs) != 4 || errs[0] != nil || !errors.Is(errs[1], holdfast.ErrLocked) || errs[2] != nil || errs[3] != nil {
				t.Errorf("got %v", errs)
			}
			if got := keys(t, w.bucket, "backups/"); len(got) != 0 {
				t.Errorf("left: %q", got)
			}
		})
	}
	if got := keys(t, w.bucket, ""); len(got) != 2 {
		t.Errorf("left: %q", got)
	}
}

// batching is a bucket that deletes many objects in one request, own ones alone.
type batching struct{ holdfast.Vault }

func (b batching) DeleteBatch(ctx context.Context, keys []string) []error {
	errs := make([]error, len(keys))
	for i, key := range keys {
		if !adopt.IsOwn(key) {
			errs[i] = errors.New("not own")
			continue
		}
		errs[i] = b.Delete(ctx, key)
	}
	return errs
}

func TestOpen(t *testing.T) {
	w := newWorld(t)
	own := holdfast.Ref{Host: "web1", Job: "crm", ID: "20251028T040000Z-9f3c2a7d"}.ManifestKey()
	w.put(9*time.Hour, foreign, "zip file")
	w.put(9*time.Hour, own, "own")
	v := w.view(spatie)
	for _, c := range []struct {
		name, key string
		offset, n int64
		want      string
		err       error
	}{
		{"an adopted file", data, 0, -1, "zip file", nil},
		{"a piece of it", data, 4, 2, "fi", nil},
		{"an adopted backup has no manifest", manifest, 0, -1, "", holdfast.ErrNotExist},
		{"and no other files", key("app", "20251028T020000Z", "other.zip"), 0, -1, "", holdfast.ErrNotExist},
		{"an own object", own, 0, -1, "own", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, err := read(t.Context(), v, c.key, c.offset, c.n); got != c.want || !errors.Is(err, c.err) {
				t.Errorf("got %q, %v, want %q, %v", got, err, c.want, c.err)
			}
		})
	}
	w.put(time.Hour, key("app", "20251028T020000Z", "z.age"), "of an attacker")
	if got, err := read(t.Context(), v, data, 0, -1); !errors.Is(err, holdfast.ErrNotExist) {
		t.Errorf("beside own data: got %q, %v", got, err)
	}
}

// A vault with adopted backups keeps all that a vault promises.
func TestConform(t *testing.T) {
	w := newWorld(t)
	served := httptest.NewServer(w.bucket.Handler())
	defer served.Close()
	w.bucket.SetBaseURL(served.URL)
	w.put(9*time.Hour, foreign, "zip")
	tried := 0
	for _, check := range conform.Checks() {
		t.Run(check.Name, func(t *testing.T) {
			err := check.Run(t.Context(), conform.NewEnv(w.view(deletable), http.DefaultClient))
			if errors.Is(err, conform.ErrNotRunnable) {
				return // a clock to move on, a lock
			}
			if tried++; err != nil {
				t.Error(err)
			}
		})
	}
	if tried < 20 {
		t.Errorf("tried %d checks", tried)
	}
}

func TestOwn(t *testing.T) {
	w := newWorld(t)
	w.put(9*time.Hour, foreign, "zip")
	own := w.view(spatie).(interface{ Own() holdfast.Vault }).Own()
	if _, err := catalog.Find(t.Context(), own, "web1", "crm"); !errors.Is(err, holdfast.ErrNotExist) {
		t.Errorf("adopted backups show in it: %v", err)
	}
}
