package broker

import (
	"bytes"
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

// fakeVault keeps what the broker does with a vault: whole objects for what is
// put, sizes for what is uploaded. It has no method to read or delete, because
// the broker may not have one.
type fakeVault struct {
	mu      sync.Mutex
	now     func() time.Time
	objects map[string]fakeObject
	uploads map[string]*fakeUpload
	signed  map[string]func() // by URL: what sending it does
	started int
	// fail, if not nil, is asked before each operation, by its name.
	fail func(op string) error
	// hang is an operation that does not end before its context does.
	hang string
	// stuck is closed when operations go on that heed no context meanwhile; nil for
	// none.
	stuck chan struct{}
	// asked counts the operations.
	asked int
	// slow, if not nil, is called before an upload starts.
	slow func()
}

type fakeObject struct {
	body []byte
	size int64
	at   time.Time
}

type fakeUpload struct {
	key   string
	parts map[int]holdfast.Part
}

func newFakeVault(now func() time.Time) *fakeVault {
	return &fakeVault{now: now, objects: map[string]fakeObject{}, uploads: map[string]*fakeUpload{}, signed: map[string]func(){}}
}

func (v *fakeVault) begin(ctx context.Context, op string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if v.fail != nil {
		return v.fail(op)
	}
	v.asked++
	if stuck := v.stuck; stuck != nil {
		v.mu.Unlock()
		<-stuck
		v.mu.Lock()
	}
	if v.hang == op {
		v.mu.Unlock()
		<-ctx.Done()
		v.mu.Lock()
		return ctx.Err()
	}
	return nil
}

func (v *fakeVault) List(ctx context.Context, prefix string) iter.Seq2[holdfast.Object, error] {
	return func(yield func(holdfast.Object, error) bool) {
		v.mu.Lock()
		defer v.mu.Unlock()
		if err := v.begin(ctx, "List"); err != nil {
			yield(holdfast.Object{}, err)
			return
		}
		for _, key := range slices.Sorted(maps.Keys(v.objects)) {
			o := v.objects[key]
			if strings.HasPrefix(key, prefix) && !yield(holdfast.Object{Key: key, Size: o.size, ModTime: o.at}, nil) {
				return
			}
		}
	}
}

func (v *fakeVault) Put(ctx context.Context, key string, body []byte) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.begin(ctx, "Put"); err != nil {
		return err
	}
	if o, ok := v.objects[key]; ok {
		if bytes.Equal(o.body, body) {
			return nil
		}
		return fmt.Errorf("put %q: %w", key, holdfast.ErrExist)
	}
	v.objects[key] = fakeObject{body: body, size: int64(len(body)), at: v.now()}
	return nil
}

func (v *fakeVault) UploadLimits() holdfast.UploadLimits {
	return holdfast.UploadLimits{MaxParts: holdfast.MaxParts, Checksum: holdfast.ChecksumSHA256}
}

func (v *fakeVault) StartUpload(ctx context.Context, key string) (holdfast.Upload, error) {
	if v.slow != nil {
		v.slow()
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.begin(ctx, "StartUpload"); err != nil {
		return holdfast.Upload{}, err
	}
	v.started++
	id := fmt.Sprintf("u%d", v.started)
	v.uploads[id] = &fakeUpload{key: key, parts: map[int]holdfast.Part{}}
	return holdfast.Upload{Key: key, ID: id}, nil
}

func (v *fakeVault) SignPart(ctx context.Context, u holdfast.Upload, p holdfast.Part, ttl time.Duration) (holdfast.Request, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.begin(ctx, "SignPart"); err != nil {
		return holdfast.Request{}, err
	}
	up, ok := v.uploads[u.ID]
	if !ok || up.key != u.Key {
		return holdfast.Request{}, fmt.Errorf("upload %q: %w", u.ID, holdfast.ErrNotExist)
	}
	url := fmt.Sprintf("https://store.example/secret-signature/%s/%d/%s", u.ID, p.Number, p.Sum)
	v.signed[url] = func() { up.parts[p.Number] = p }
	return holdfast.Request{Method: "PUT", URL: url, Expires: v.now().Add(ttl)}, nil
}

func (v *fakeVault) CompleteUpload(ctx context.Context, u holdfast.Upload, parts []holdfast.Part, size int64) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.begin(ctx, "CompleteUpload"); err != nil {
		return err
	}
	if _, ok := v.objects[u.Key]; ok {
		return fmt.Errorf("complete %q: %w", u.Key, holdfast.ErrExist)
	}
	up, ok := v.uploads[u.ID]
	if !ok || up.key != u.Key {
		return fmt.Errorf("upload %q: %w", u.ID, holdfast.ErrNotExist)
	}
	var total int64
	for _, p := range parts {
		stored, ok := up.parts[p.Number]
		if !ok || stored.Size != p.Size || stored.Sum != p.Sum {
			return fmt.Errorf("part %d: %w", p.Number, holdfast.ErrCorrupt)
		}
		total += p.Size
	}
	if total != size {
		return fmt.Errorf("size: %w", holdfast.ErrCorrupt)
	}
	delete(v.uploads, u.ID)
	v.objects[u.Key] = fakeObject{size: size, at: v.now()}
	return nil
}

func (v *fakeVault) AbortUpload(ctx context.Context, u holdfast.Upload) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.begin(ctx, "AbortUpload"); err != nil {
		return err
	}
	delete(v.uploads, u.ID)
	return nil
}

func (v *fakeVault) ListUploads(ctx context.Context, prefix string) iter.Seq2[holdfast.Upload, error] {
	return func(yield func(holdfast.Upload, error) bool) {
		v.mu.Lock()
		defer v.mu.Unlock()
		if err := v.begin(ctx, "ListUploads"); err != nil {
			yield(holdfast.Upload{}, err)
			return
		}
		for id, up := range v.uploads {
			if strings.HasPrefix(up.key, prefix) && !yield(holdfast.Upload{Key: up.key, ID: id}, nil) {
				return
			}
		}
	}
}

func (v *fakeVault) SignDownload(ctx context.Context, key, file string, ttl time.Duration) (holdfast.Request, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.begin(ctx, "SignDownload"); err != nil {
		return holdfast.Request{}, err
	}
	return holdfast.Request{Method: "GET", URL: "https://store.example/secret-signature/" + key, Expires: v.now().Add(ttl)}, nil
}

// send does what the PUT of a signed part would.
func (v *fakeVault) send(t testing.TB, requests []holdfast.Request) {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, r := range requests {
		store, ok := v.signed[r.URL]
		if !ok {
			t.Fatalf("%s was not signed", r.URL)
		}
		store()
	}
}

// snapshot returns the keys and sizes of all objects.
func (v *fakeVault) snapshot() map[string]int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	all := map[string]int64{}
	for key, o := range v.objects {
		all[key] = o.size
	}
	return all
}
