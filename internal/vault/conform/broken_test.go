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
	"testing"

	"github.com/holdfast-backup/holdfast"
)

// broken has, for every check that has none beside it, a store that breaks its promise.
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
	maps.Copy(all, brokenUploads)
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
