package conform

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
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

// broken has, for every check, a store that breaks its promise.
var broken = map[string]func(s *store){
	"list-order": func(s *store) {
		s.listing(func(_ string, all []holdfast.Object) []holdfast.Object {
			// By directories, as filepath.WalkDir does.
			slices.SortFunc(all, func(a, b holdfast.Object) int {
				return slices.Compare(strings.Split(a.Key, "/"), strings.Split(b.Key, "/"))
			})
			return all
		})
	},
	"list-prefix": func(s *store) {
		s.listing(func(prefix string, all []holdfast.Object) []holdfast.Object {
			return slices.DeleteFunc(all, func(o holdfast.Object) bool {
				return o.Key != prefix && !strings.HasSuffix(prefix, "/") && !strings.HasPrefix(o.Key, prefix+"/")
			})
		})
	},
	"list-everything": func(s *store) {
		s.listing(func(prefix string, all []holdfast.Object) []holdfast.Object {
			if prefix == "" {
				return nil
			}
			return all
		})
	},
	"list-nothing": func(s *store) {
		list := s.list
		s.list = func(ctx context.Context, prefix string) iter.Seq2[holdfast.Object, error] {
			return func(yield func(holdfast.Object, error) bool) {
				found := false
				for o, err := range list(ctx, prefix) {
					if found = true; !yield(o, err) {
						return
					}
				}
				if !found {
					yield(holdfast.Object{}, holdfast.ErrNotExist)
				}
			}
		}
	},
	"list-at-once": func(s *store) {
		uploaded := map[string]bool{}
		complete := s.complete
		s.complete = func(ctx context.Context, u holdfast.Upload, parts []holdfast.Part, size int64) error {
			uploaded[u.Key] = true
			return complete(ctx, u, parts, size)
		}
		s.listing(func(_ string, all []holdfast.Object) []holdfast.Object {
			return slices.DeleteFunc(all, func(o holdfast.Object) bool { return uploaded[o.Key] })
		})
	},
	"list-many": func(s *store) {
		s.listing(func(_ string, all []holdfast.Object) []holdfast.Object { return all[:min(len(all), 1000)] })
	},
	"open-range": func(s *store) {
		s.open = func(ctx context.Context, key string, offset, _ int64) (io.ReadCloser, error) {
			return s.Vault.Open(ctx, key, offset, -1)
		}
	},
	"open-absent": func(s *store) {
		s.open = func(ctx context.Context, key string, offset, n int64) (io.ReadCloser, error) {
			r, err := s.Vault.Open(ctx, key, offset, n)
			if errors.Is(err, holdfast.ErrNotExist) {
				return io.NopCloser(strings.NewReader("")), nil
			}
			return r, err
		}
	},
	"put": func(s *store) {
		s.put = func(ctx context.Context, key string, body []byte) error {
			return s.Vault.Put(ctx, key, bytes.ReplaceAll(body, []byte("\r"), nil))
		}
	},
	"put-again": func(s *store) {
		seen := map[string]bool{}
		s.put = func(ctx context.Context, key string, body []byte) error {
			if seen[key] {
				return holdfast.ErrExist
			}
			seen[key] = true
			return s.Vault.Put(ctx, key, body)
		}
	},
	"put-other": func(s *store) { s.put = s.overwrite },
	"put-concurrent": func(s *store) {
		// Looks first and stores after.
		looked := barrier(8)
		s.put = func(ctx context.Context, key string, body []byte) error {
			if _, err := s.Vault.Open(ctx, key, 0, -1); err == nil {
				return holdfast.ErrExist
			}
			looked()
			return s.overwrite(ctx, key, body)
		}
	},
	"keys-plain": func(s *store) {
		s.put = func(ctx context.Context, key string, body []byte) error {
			return s.Vault.Put(ctx, strings.ToLower(key), body)
		}
	},
	"keys-odd": func(s *store) {
		s.put = func(ctx context.Context, key string, body []byte) error {
			return s.Vault.Put(ctx, path.Clean(key), body)
		}
	},
	"upload-limits": func(s *store) {
		s.limits = func() holdfast.UploadLimits {
			return holdfast.UploadLimits{MaxParts: holdfast.MaxParts + 1, Checksum: holdfast.ChecksumSHA256}
		}
	},
	"upload-invisible": func(s *store) {
		s.listing(func(prefix string, all []holdfast.Object) []holdfast.Object {
			for u := range s.Vault.ListUploads(context.Background(), prefix) {
				all = append(all, holdfast.Object{Key: u.Key, Size: u.Size})
			}
			return all
		})
	},
	"upload-parts": func(s *store) {
		// In the order in which they came.
		var mu sync.Mutex
		var came []byte
		s.send = func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			came = append(came, body...)
			r.Body = io.NopCloser(bytes.NewReader(body))
			return http.DefaultTransport.RoundTrip(r)
		}
		s.complete = func(ctx context.Context, u holdfast.Upload, parts []holdfast.Part, size int64) error {
			if err := s.Vault.CompleteUpload(ctx, u, parts, size); err != nil {
				return err
			}
			return s.overwrite(ctx, u.Key, came)
		}
	},
	"upload-list": func(s *store) {
		s.listUploads = func(ctx context.Context, prefix string) iter.Seq2[holdfast.Upload, error] {
			return s.Vault.ListUploads(ctx, prefix[:strings.LastIndexByte(prefix, '/')])
		}
	},
	"abort": func(s *store) { s.abort = func(context.Context, holdfast.Upload) error { return nil } },
	"abort-absent": func(s *store) {
		seen := map[string]bool{}
		s.abort = func(ctx context.Context, u holdfast.Upload) error {
			if seen[u.ID] {
				return holdfast.ErrNotExist
			}
			seen[u.ID] = true
			return s.Vault.AbortUpload(ctx, u)
		}
	},
	"complete-missing": func(s *store) {
		s.complete = func(ctx context.Context, u holdfast.Upload, parts []holdfast.Part, size int64) error {
			err := s.Vault.CompleteUpload(ctx, u, parts, size)
			if errors.Is(err, holdfast.ErrCorrupt) {
				return nil
			}
			return err
		}
	},
	"complete-differs": func(s *store) {
		s.complete = func(ctx context.Context, u holdfast.Upload, _ []holdfast.Part, size int64) error {
			return s.Vault.Put(ctx, u.Key, make([]byte, size))
		}
	},
	"complete-size": func(s *store) {
		s.complete = func(ctx context.Context, u holdfast.Upload, parts []holdfast.Part, _ int64) error {
			var size int64
			for _, p := range parts {
				size += p.Size
			}
			return s.Vault.CompleteUpload(ctx, u, parts, size)
		}
	},
	"complete-taken": func(s *store) {
		s.complete = func(ctx context.Context, u holdfast.Upload, parts []holdfast.Part, size int64) error {
			if err := s.Vault.Delete(ctx, u.Key); err != nil {
				return err
			}
			return s.Vault.CompleteUpload(ctx, u, parts, size)
		}
	},
	"complete-twice": func(s *store) {
		s.complete = func(ctx context.Context, u holdfast.Upload, parts []holdfast.Part, size int64) error {
			err := s.Vault.CompleteUpload(ctx, u, parts, size)
			if errors.Is(err, holdfast.ErrExist) {
				return nil
			}
			return err
		}
	},
	"complete-concurrent": func(s *store) {
		s.complete = func(ctx context.Context, u holdfast.Upload, parts []holdfast.Part, size int64) error {
			err := s.Vault.CompleteUpload(ctx, u, parts, size)
			if errors.Is(err, holdfast.ErrExist) {
				return nil
			}
			return err
		}
	},
	"part-size": func(s *store) {
		s.accepting(func(r *http.Request) bool { return puts(r) && r.ContentLength > 6 })
	},
	"part-checksum": func(s *store) { s.accepting(puts) },
	"part-method": func(s *store) {
		s.accepting(func(r *http.Request) bool { return r.Method == http.MethodDelete })
	},
	"part-tampered": func(s *store) { s.accepting(puts) },
	"part-expired":  func(s *store) { s.accepting(puts) },
	"part-replaced": func(s *store) {
		// The first one stays.
		sent := false
		s.send = func(r *http.Request) (*http.Response, error) {
			if sent {
				return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
			}
			sent = true
			return http.DefaultTransport.RoundTrip(r)
		}
	},
	"part-repeated": func(s *store) {
		seen := map[string]bool{}
		s.send = func(r *http.Request) (*http.Response, error) {
			if seen[r.URL.String()] {
				return &http.Response{StatusCode: http.StatusConflict, Body: http.NoBody, Request: r}, nil
			}
			seen[r.URL.String()] = true
			return http.DefaultTransport.RoundTrip(r)
		}
	},
	"part-late": func(s *store) {
		// The object goes on being the file that parts are written to.
		var completed string
		s.complete = func(ctx context.Context, u holdfast.Upload, parts []holdfast.Part, size int64) error {
			completed = u.Key
			return s.Vault.CompleteUpload(ctx, u, parts, size)
		}
		s.send = func(r *http.Request) (*http.Response, error) {
			if completed == "" {
				return http.DefaultTransport.RoundTrip(r)
			}
			body, err := io.ReadAll(r.Body)
			if err == nil {
				err = s.overwrite(r.Context(), completed, body)
			}
			return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, err
		}
	},
	"download": func(s *store) {
		s.spoiled(func(_ *http.Request, resp *http.Response) { resp.Header.Del("Content-Disposition") })
	},
	"download-range": func(s *store) {
		s.send = func(r *http.Request) (*http.Response, error) {
			r.Header.Del("Range")
			return http.DefaultTransport.RoundTrip(r)
		}
	},
	"download-method": func(s *store) {
		s.send = func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodDelete {
				for o := range s.Vault.List(r.Context(), holdfast.ScratchPrefix) {
					s.Vault.Delete(r.Context(), o.Key)
				}
			}
			return http.DefaultTransport.RoundTrip(r)
		}
	},
	"download-tampered": func(s *store) { s.accepting(downloads) },
	"download-expired":  func(s *store) { s.accepting(downloads) },
	"delete": func(s *store) {
		// Takes the key for a prefix.
		s.delete = func(ctx context.Context, key string) error {
			for o := range s.Vault.List(ctx, path.Dir(key)+"/") {
				if err := s.Vault.Delete(ctx, o.Key); err != nil {
					return err
				}
			}
			return nil
		}
	},
	"delete-absent": func(s *store) {
		s.delete = func(ctx context.Context, key string) error {
			if _, err := s.Vault.Open(ctx, key, 0, -1); err != nil {
				return err
			}
			return s.Vault.Delete(ctx, key)
		}
	},
	"delete-batch": func(s *store) {
		// Forgets every second one.
		calls := 0
		s.delete = func(ctx context.Context, key string) error {
			if calls++; calls%2 == 0 {
				return nil
			}
			return s.Vault.Delete(ctx, key)
		}
	},
	"delete-locked": func(s *store) {
		// Hides it, as a delete marker would.
		hidden := map[string]bool{}
		s.delete = func(ctx context.Context, key string) error {
			hidden[key] = true
			return s.Vault.Delete(ctx, key)
		}
		s.open = func(ctx context.Context, key string, offset, n int64) (io.ReadCloser, error) {
			if hidden[key] {
				return nil, holdfast.ErrNotExist
			}
			return s.Vault.Open(ctx, key, offset, n)
		}
	},
	"state": func(s *store) {
		s.swap = func(ctx context.Context, key string, body []byte, tag string) (string, error) {
			_, err := s.Vault.Swap(ctx, key, body, tag)
			return tag + "x", err
		}
	},
	"state-absent": func(s *store) {
		s.load = func(ctx context.Context, key string) ([]byte, string, error) {
			body, tag, err := s.Vault.Load(ctx, key)
			if errors.Is(err, holdfast.ErrNotExist) {
				return nil, "", nil
			}
			return body, tag, err
		}
	},
	"state-conflict": func(s *store) {
		s.swap = func(ctx context.Context, key string, body []byte, tag string) (string, error) {
			if tag != "" {
				return s.Vault.Swap(ctx, key, body, tag)
			}
			if err := s.overwrite(ctx, key, body); err != nil {
				return "", err
			}
			_, tag, err := s.Vault.Load(ctx, key)
			return tag, err
		}
	},
	"state-concurrent": func(s *store) {
		// The last one wins, whatever it has read.
		loaded := barrier(2)
		s.swap = func(ctx context.Context, key string, body []byte, _ string) (string, error) {
			loaded()
			return "", s.overwrite(ctx, key, body)
		}
	},
	"context": func(s *store) {
		s.delete = func(ctx context.Context, key string) error {
			return s.Vault.Delete(context.WithoutCancel(ctx), key)
		}
	},
}

func TestEveryCheckCatchesAStoreThatBreaksItsPromise(t *testing.T) {
	checks, all := Checks(), maps.Clone(broken)
	maps.Copy(all, brokenReceivers)
	for _, c := range checks {
		t.Run(c.Name, func(t *testing.T) {
			breaks := all[c.Name]
			if breaks == nil {
				t.Fatal("no store breaks this promise, so nothing shows that the check can fail")
			}
			vault, env := newMem(t)
			s := newStore(vault)
			breaks(s)
			env.Vault, env.Client = s, &http.Client{Transport: s}
			// Without the cleaning up, which a broken store may also break.
			err := c.try(t.Context(), env.scratch(c.Name))
			if err == nil {
				t.Fatal("the check passes")
			}
			if errors.Is(err, ErrNotRunnable) {
				t.Fatalf("the check did not run: %v", err)
			}
			t.Log(err)
		})
	}
	if len(all) != len(checks) {
		names := slices.Sorted(maps.Keys(all))
		t.Errorf("%d broken stores for %d checks: %v", len(all), len(checks), names)
	}
}
