package conform

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"strings"
	"sync"

	"github.com/holdfast-backup/holdfast"
)

// brokenUploads has, for every check of uploads, their completion and signed parts, a
// store that breaks its promise.
var brokenUploads = map[string]func(s *store){
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
}
