package conform

import (
	"context"
	"io"
	"iter"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/vault/mem"
)

// store is a vault of which some calls, or the answers to signed requests, are
// replaced.
type store struct {
	*mem.Vault
	list        func(ctx context.Context, prefix string) iter.Seq2[holdfast.Object, error]
	open        func(ctx context.Context, key string, offset, n int64) (io.ReadCloser, error)
	put         func(ctx context.Context, key string, body []byte) error
	limits      func() holdfast.UploadLimits
	complete    func(ctx context.Context, u holdfast.Upload, parts []holdfast.Part, size int64) error
	abort       func(ctx context.Context, u holdfast.Upload) error
	listUploads func(ctx context.Context, prefix string) iter.Seq2[holdfast.Upload, error]
	sign        func(ctx context.Context, key, file string, ttl time.Duration) (holdfast.Request, error)
	delete      func(ctx context.Context, key string) error
	load        func(ctx context.Context, key string) ([]byte, string, error)
	swap        func(ctx context.Context, key string, body []byte, tag string) (string, error)
	send        func(r *http.Request) (*http.Response, error)
	receive     func(ctx context.Context, u holdfast.Upload, p holdfast.Part, body io.Reader) error
}

func newStore(v *mem.Vault) *store {
	return &store{
		Vault: v, list: v.List, open: v.Open, put: v.Put, limits: v.UploadLimits, complete: v.CompleteUpload,
		abort: v.AbortUpload, listUploads: v.ListUploads, sign: v.SignDownload, delete: v.Delete,
		load: v.Load, swap: v.Swap, send: http.DefaultTransport.RoundTrip, receive: v.SendPart,
	}
}

func (s *store) List(ctx context.Context, prefix string) iter.Seq2[holdfast.Object, error] {
	return s.list(ctx, prefix)
}
func (s *store) Open(ctx context.Context, key string, offset, n int64) (io.ReadCloser, error) {
	return s.open(ctx, key, offset, n)
}
func (s *store) Put(ctx context.Context, key string, body []byte) error { return s.put(ctx, key, body) }
func (s *store) UploadLimits() holdfast.UploadLimits                    { return s.limits() }
func (s *store) CompleteUpload(ctx context.Context, u holdfast.Upload, parts []holdfast.Part, size int64) error {
	return s.complete(ctx, u, parts, size)
}
func (s *store) AbortUpload(ctx context.Context, u holdfast.Upload) error { return s.abort(ctx, u) }
func (s *store) ListUploads(ctx context.Context, prefix string) iter.Seq2[holdfast.Upload, error] {
	return s.listUploads(ctx, prefix)
}
func (s *store) SignDownload(ctx context.Context, key, file string, ttl time.Duration) (holdfast.Request, error) {
	return s.sign(ctx, key, file, ttl)
}
func (s *store) Delete(ctx context.Context, key string) error { return s.delete(ctx, key) }
func (s *store) Load(ctx context.Context, key string) ([]byte, string, error) {
	return s.load(ctx, key)
}
func (s *store) Swap(ctx context.Context, key string, body []byte, tag string) (string, error) {
	return s.swap(ctx, key, body, tag)
}
func (s *store) SendPart(ctx context.Context, u holdfast.Upload, p holdfast.Part, body io.Reader) error {
	return s.receive(ctx, u, p, body)
}
func (s *store) RoundTrip(r *http.Request) (*http.Response, error) { return s.send(r) }

// listing makes List yield what change makes of the true listing of prefix.
func (s *store) listing(change func(prefix string, all []holdfast.Object) []holdfast.Object) {
	s.list = func(ctx context.Context, prefix string) iter.Seq2[holdfast.Object, error] {
		return func(yield func(holdfast.Object, error) bool) {
			var all []holdfast.Object
			for o, err := range s.Vault.List(ctx, prefix) {
				if err != nil {
					yield(o, err)
					return
				}
				all = append(all, o)
			}
			for _, o := range change(prefix, all) {
				if !yield(o, nil) {
					return
				}
			}
		}
	}
}

// overwrite stores body whatever is there.
func (s *store) overwrite(ctx context.Context, key string, body []byte) error {
	if err := s.Vault.Delete(ctx, key); err != nil {
		return err
	}
	return s.Vault.Put(ctx, key, body)
}

// accepting makes the store say yes to the signed requests that which selects
// and that it has refused.
func (s *store) accepting(which func(r *http.Request) bool) {
	s.send = func(r *http.Request) (*http.Response, error) {
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err == nil && resp.StatusCode >= 400 && which(r) {
			resp.StatusCode = http.StatusOK
		}
		return resp, err
	}
}

// barrier returns a function that waits until n calls of it are under way.
func barrier(n int) (wait func()) {
	var wg sync.WaitGroup
	wg.Add(n)
	var calls atomic.Int32
	return func() {
		if int(calls.Add(1)) <= n {
			wg.Done()
		}
		wg.Wait()
	}
}

func puts(r *http.Request) bool      { return r.Method == http.MethodPut && r.URL.Path == "/part" }
func downloads(r *http.Request) bool { return r.Method == http.MethodGet && r.URL.Path == "/download" }

// spoiled makes downloads answer with a changed header.
func (s *store) spoiled(change func(r *http.Request, resp *http.Response)) {
	s.send = func(r *http.Request) (*http.Response, error) {
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err == nil {
			change(r, resp)
		}
		return resp, err
	}
}
