package b2

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-backup/holdfast/internal/secret"
)

// direct passes requests straight to a handler. So a test can go by the clock of
// testing/synctest, which connections do not.
type direct struct{ http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	w, got := httptest.NewRecorder(), r.Clone(r.Context())
	if got.Body == nil {
		got.Body = http.NoBody // as a server has it
	}
	d.ServeHTTP(w, got)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	answer := w.Result()
	answer.Request, answer.Body = r, body{answer.Body, r.Context()}
	return answer, nil
}

// body ends with its request, as that of an answer over a connection does.
type body struct {
	io.ReadCloser
	ctx context.Context
}

func (b body) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	return b.ReadCloser.Read(p)
}

// only is the one file of the bucket of newDirect. It is one byte long.
const only = "backups/web1/crm/000000/data"

// newDirect returns a vault with everything as it is by default, but for its
// transport, which asks instead first: it reports whether it has answered a request.
func newDirect(t *testing.T, instead func(w http.ResponseWriter, r *http.Request) bool) *Vault {
	t.Helper()
	api := &large{objects: 1, url: "http://b2.example.com", calls: map[string]int{}}
	v, err := New(Options{
		Bucket: "acme-backups", KeyID: "005", Key: secret.New("a key"),
		Transport: direct{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case instead(w, r):
			case strings.HasSuffix(r.URL.Path, "/b2_get_upload_url"):
				_, _ = io.WriteString(w, `{"uploadUrl": "http://b2.example.com/b2_upload_file", "authorizationToken": "up"}`)
			case strings.HasPrefix(r.URL.Path, "/file/"):
				w.Header().Set("X-Bz-File-Id", "0")
				w.Header().Set("Content-Length", "1")
				_, _ = io.WriteString(w, "x")
			default:
				api.ServeHTTP(w, r)
			}
		})},
	})
	must(t, err)
	return v
}

func TestHowLongASilentStoreIsWaitedFor(t *testing.T) {
	open := func(ctx context.Context, v *Vault) error { _, err := v.Open(ctx, only, 0, -1); return err }
	put := func(ctx context.Context, v *Vault) error { return v.Put(ctx, "reports/a", []byte("a body")) }
	const gaveUp, all = "no answer within 30s (tried 5 times)", 5*30*time.Second + 7500*time.Millisecond // with the pauses
	for path, c := range map[string]struct {
		do   func(ctx context.Context, v *Vault) error
		says string
		took time.Duration
	}{
		"/b2_authorize_account":   {open, gaveUp, all},
		"/b2_list_buckets":        {open, gaveUp, all},
		"/b2_list_file_versions":  {open, gaveUp, all},
		"/b2_get_upload_url":      {put, gaveUp, all},
		"/b2_upload_file":         {put, gaveUp, all},
		"/file/":                  {open, "nothing came for 30s", 30 * time.Second},
		"/b2_delete_file_version": {func(ctx context.Context, v *Vault) error { return v.Delete(ctx, only) }, gaveUp, all},
		"/b2_get_download_authorization": {func(ctx context.Context, v *Vault) error {
			_, err := v.SignDownload(ctx, only, "a", time.Hour)
			return err
		}, gaveUp, all},
	} {
		t.Run(path[1:], func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := newDirect(t, func(_ http.ResponseWriter, r *http.Request) bool {
					if !strings.Contains(r.URL.Path, path) {
						return false
					}
					<-r.Context().Done()
					return true
				})
				begun := time.Now()
				if err := c.do(t.Context(), v); err == nil || !strings.HasSuffix(err.Error(), c.says) {
					t.Errorf("got %v, want %q", err, c.says)
				}
				if took := time.Since(begun); took != c.took {
					t.Errorf("it took %s, want %s", took, c.took)
				}
			})
		})
	}
}

// What blazer would wait for as long as it is told to.
func TestHowLongABusyStoreIsWaitedFor(t *testing.T) {
	for asks, want := range map[string]time.Duration{"": 7500 * time.Millisecond, "3": 13 * time.Second, "86400": 40 * time.Second} {
		t.Run("Retry-After "+asks, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := newDirect(t, func(w http.ResponseWriter, r *http.Request) bool {
					if !strings.HasSuffix(r.URL.Path, "/b2_list_file_versions") {
						return false
					}
					w.Header().Set("Retry-After", asks)
					w.WriteHeader(http.StatusServiceUnavailable)
					_, _ = io.WriteString(w, `{"status": 503, "code": "service_unavailable", "message": "busy"}`)
					return true
				})
				begun := time.Now()
				if _, err := v.Open(t.Context(), only, 0, -1); err == nil || !strings.HasSuffix(err.Error(), "(tried 5 times)") {
					t.Errorf("got %v", err)
				}
				if took := time.Since(begun); took != want {
					t.Errorf("it took %s, want %s", took, want)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
				defer cancel()
				begun = time.Now()
				if _, err := v.Open(ctx, only, 0, -1); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
				if took := time.Since(begun); took != 200*time.Millisecond {
					t.Errorf("it outlives its caller by %s", took-200*time.Millisecond)
				}
			})
		})
	}
}

// Several downloads may be opened before the first of them is read.
func TestADownloadWaitsForItsReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newDirect(t, func(http.ResponseWriter, *http.Request) bool { return false })
		r, err := v.Open(t.Context(), only, 0, -1)
		must(t, err)
		time.Sleep(time.Hour)
		if got, err := io.ReadAll(r); err != nil || string(got) != "x" {
			t.Errorf("got %q, %v", got, err)
		}
		must(t, r.Close())
	})
}
