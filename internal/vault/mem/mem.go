// Package mem is a vault in memory, for tests. Its clock is injected, its
// objects can be locked until a date, any of its calls can be made to fail, and
// its signed requests work for real once Handler is served, for example by an
// httptest.Server. It forgets everything with the process and is no place for a
// backup.
package mem

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// Vault implements holdfast.Vault. The fields may be set before it is used.
type Vault struct {
	// Fault, where set, is asked before every call; what it returns becomes the
	// call's error and nothing else happens. op is the method's name ("Put",
	// "CompleteUpload", …), or "part" and "download" for a signed request; key
	// is the object's or the prefix. It may be called concurrently.
	Fault func(op, key string) error
	// Limits is what UploadLimits answers.
	Limits holdfast.UploadLimits

	now    func() time.Time
	secret []byte

	mu      sync.Mutex
	base    string
	objects map[string]object
	uploads map[string]*upload
}

type object struct {
	body        []byte // never changed, only replaced
	modTime     time.Time
	lockedUntil time.Time
}

// New returns an empty vault whose clock is now and whose signed URLs begin
// with baseURL, where Handler must be served; see SetBaseURL.
func New(now func() time.Time, baseURL string) *Vault {
	secret := make([]byte, 32)
	rand.Read(secret)
	return &Vault{
		Limits:  holdfast.UploadLimits{MaxParts: holdfast.MaxParts, Checksum: holdfast.ChecksumSHA256},
		now:     now,
		secret:  secret,
		base:    baseURL,
		objects: map[string]object{},
		uploads: map[string]*upload{},
	}
}

// SetBaseURL changes where signed URLs point to from now on: the address of an
// httptest.Server is known only after its handler is.
func (v *Vault) SetBaseURL(url string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.base = url
}

// Lock forbids the deletion of the object until the given time of the vault's
// clock. holdfast.ErrNotExist if there is no such object.
func (v *Vault) Lock(key string, until time.Time) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	o, ok := v.objects[key]
	if !ok {
		return fmt.Errorf("lock %q: %w", key, holdfast.ErrNotExist)
	}
	o.lockedUntil = until
	v.objects[key] = o
	return nil
}

// enter is what every call does first.
func (v *Vault) enter(ctx context.Context, op, key string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s %q: %w", op, key, err)
	}
	if v.Fault != nil {
		return v.Fault(op, key)
	}
	return nil
}

// checkKey refuses what any vault would refuse, so that tests see it.
func checkKey(key string) error { return holdfast.CheckKey(key, maxSegment) }

// maxSegment is the least that a vault takes between two slashes, in bytes: that of
// package sftp.
const maxSegment = 248

// List implements holdfast.Lister. It shows the vault as it was when the
// iteration began.
func (v *Vault) List(ctx context.Context, prefix string) iter.Seq2[holdfast.Object, error] {
	return func(yield func(holdfast.Object, error) bool) {
		if err := v.enter(ctx, "List", prefix); err != nil {
			yield(holdfast.Object{}, err)
			return
		}
		for _, o := range v.snapshot(prefix) {
			if err := ctx.Err(); err != nil {
				yield(holdfast.Object{}, fmt.Errorf("list %q: %w", prefix, err))
				return
			}
			if !yield(o, nil) {
				return
			}
		}
	}
}

func (v *Vault) snapshot(prefix string) []holdfast.Object {
	v.mu.Lock()
	defer v.mu.Unlock()
	var all []holdfast.Object
	for key, o := range v.objects {
		if strings.HasPrefix(key, prefix) {
			all = append(all, holdfast.Object{Key: key, Size: int64(len(o.body)), ModTime: o.modTime})
		}
	}
	slices.SortFunc(all, func(a, b holdfast.Object) int { return strings.Compare(a.Key, b.Key) })
	return all
}

// Open implements holdfast.Reader.
func (v *Vault) Open(ctx context.Context, key string, offset, n int64) (io.ReadCloser, error) {
	if err := v.enter(ctx, "Open", key); err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	o, ok := v.objects[key]
	if !ok {
		return nil, fmt.Errorf("open %q: %w", key, holdfast.ErrNotExist)
	}
	if offset < 0 || offset > int64(len(o.body)) {
		return nil, fmt.Errorf("open %q: offset %d lies outside its %d bytes", key, offset, len(o.body))
	}
	body := o.body[offset:]
	if n >= 0 {
		body = body[:min(n, int64(len(body)))]
	}
	return io.NopCloser(bytes.NewReader(body)), nil
}

// Put implements holdfast.Putter.
func (v *Vault) Put(ctx context.Context, key string, body []byte) error {
	if err := v.enter(ctx, "Put", key); err != nil {
		return err
	}
	if err := checkKey(key); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if o, ok := v.objects[key]; ok {
		if bytes.Equal(o.body, body) {
			return nil
		}
		return fmt.Errorf("put %q: %w", key, holdfast.ErrExist)
	}
	v.objects[key] = object{body: bytes.Clone(body), modTime: v.now().UTC()}
	return nil
}

// Delete implements holdfast.Deleter.
func (v *Vault) Delete(ctx context.Context, key string) error {
	if err := v.enter(ctx, "Delete", key); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.now().Before(v.objects[key].lockedUntil) {
		return fmt.Errorf("delete %q: %w", key, holdfast.ErrLocked)
	}
	delete(v.objects, key)
	return nil
}
