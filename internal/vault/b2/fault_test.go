package b2

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/secret"
	standin "github.com/holdfast-backup/holdfast/internal/testenv/b2"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// failing has calls of op fail with the fault as long as when says.
func failing(op string, f standin.Fault, when func() bool) func(string, *http.Request) *standin.Fault {
	var mu sync.Mutex
	return func(name string, _ *http.Request) *standin.Fault {
		mu.Lock()
		defer mu.Unlock()
		if name == op && when() {
			return &f
		}
		return nil
	}
}

// deny refuses calls of op for good.
func deny(op string, when func() bool) func(string, *http.Request) *standin.Fault {
	return failing(op, standin.Fault{Status: 400, Code: "bad_request", Message: "not now"}, when)
}

// watch shows the calls of op.
func watch(op string, show func(*http.Request)) func(string, *http.Request) *standin.Fault {
	return func(name string, r *http.Request) *standin.Fault {
		if name == op {
			show(r)
		}
		return nil
	}
}

// times reports true n times.
func times(n int) func() bool {
	return func() bool { n--; return n >= 0 }
}

var always = func() bool { return true }

func TestWhatPassesIsTriedAgain(t *testing.T) {
	t.Parallel()
	busy := standin.Fault{Status: 503, Code: "service_unavailable", Message: "c001_v0001013_t0020 is too busy"}
	for name, fault := range map[string]standin.Fault{
		"503": busy, "429": {Status: 429, Code: "too_many_requests", RetryAfter: 0}, "408": {Status: 408, Code: "request_timeout"},
		"500": {Status: 500, Code: "internal_error"}, "504": {Status: 504, Code: "gateway_timeout"}, "a dropped connection": {Drop: true},
	} {
		for _, op := range []string{
			"b2_authorize_account", "b2_list_buckets", "b2_list_file_versions", "b2_get_upload_url", "b2_upload_file",
			"b2_download_file_by_name", "b2_get_download_authorization", "b2_delete_file_version",
		} {
			t.Run(op+", "+name, func(t *testing.T) {
				s := newServer(t)
				v := newVault(t, s)
				s.FailWith(failing(op, fault, times(attempts-1)))
				must(t, v.Put(t.Context(), data, []byte("a body")))
				if got := read(t, v, data); got != "a body" {
					t.Errorf("got %q", got)
				}
				if _, err := v.SignDownload(t.Context(), data, "crm", time.Hour); err != nil {
					t.Error(err)
				}
				must(t, v.Delete(t.Context(), data))
				if s.Calls()[op] < attempts {
					t.Errorf("the fault did not occur")
				}
				if left := all(t, v, ""); len(left) > 0 {
					t.Errorf("left: %+v", left)
				}
			})
		}
	}
}

func TestAnUploadThatFailedGetsANewURL(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	v := newVault(t, s)
	seen := map[string]int{}
	s.FailWith(func(op string, r *http.Request) *standin.Fault {
		if op != "b2_upload_file" {
			return nil
		}
		if seen[r.URL.Path]++; len(seen) < 4 {
			return &standin.Fault{Status: 503, Code: "service_unavailable", Message: "no tomes available"}
		}
		return nil
	})
	must(t, v.Put(t.Context(), data, []byte("a body")))
	for path, n := range seen {
		if n != 1 {
			t.Errorf("%s was used %d times", path, n)
		}
	}
	if len(seen) != 4 {
		t.Errorf("%d URLs were used, want 4", len(seen))
	}
}

func TestAStormEnds(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	v := newVault(t, s)
	must(t, v.Put(t.Context(), data, []byte("a body")))
	s.Calls()
	s.FailWith(failing("b2_list_file_versions", standin.Fault{Status: 503, Code: "service_unavailable", Message: "busy\x1b[2J", RetryAfter: 0}, always))
	_, err := v.Open(t.Context(), data, 0, -1)
	if err == nil || !strings.Contains(err.Error(), "service_unavailable") || !strings.Contains(err.Error(), "tried 5 times") || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("got %v", err)
	}
	if got := s.Calls()["b2_list_file_versions"]; got != attempts {
		t.Errorf("%d attempts, want %d", got, attempts)
	}
}

// What blazer would wait for as long as it is told to. How long it is waited for,
// deadline_test.go shows.
func TestRetryAfterDoesNotOutliveTheCaller(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	v := newVault(t, s)
	s.FailWith(failing("b2_list_file_versions", standin.Fault{Status: 503, Code: "service_unavailable", RetryAfter: 86_400}, always))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	wants(t, "put", v.Put(ctx, data, []byte("a body")), context.DeadlineExceeded)
	v.longest = 10 * time.Millisecond
	s.FailWith(failing("b2_list_file_versions", standin.Fault{Status: 503, Code: "service_unavailable", RetryAfter: 86_400}, times(2)))
	ctx, cancel = context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	must(t, v.Put(ctx, data, []byte("a body")))
}

// How long exactly, deadline_test.go shows.
func TestNothingHangsLongerThanItsDeadline(t *testing.T) {
	t.Parallel()
	for _, op := range []string{
		"b2_authorize_account", "b2_list_buckets", "b2_list_file_versions", "b2_get_upload_url", "b2_upload_file",
		"b2_download_file_by_name", "b2_delete_file_version", "b2_get_download_authorization",
	} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			must(t, newVault(t, s).Put(t.Context(), manifest, []byte("{}")))
			v := newVault(t, s)
			v.callTime = 100 * time.Millisecond
			s.FailWith(failing(op, standin.Fault{Hang: true}, always))
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // whose end is told otherwise
			defer cancel()
			_, openErr := v.Open(ctx, manifest, 0, -1)
			_, signErr := v.SignDownload(ctx, manifest, "m", time.Hour)
			err := errors.Join(openErr, signErr, v.Put(ctx, data, []byte("a body")), v.Delete(ctx, manifest))
			if err == nil || !strings.Contains(err.Error(), "no answer within") && !strings.Contains(err.Error(), "nothing came for") {
				t.Errorf("got %v", err)
			}
			if errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("it went on until its caller's time was up: %v", err)
			}
		})
	}
}

func TestAnEndedTokenIsRenewed(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	v := newVault(t, s)
	for i, step := range []func() error{
		func() error { return v.Put(t.Context(), data, []byte("a body")) },
		func() error { _, err := v.Open(t.Context(), data, 0, -1); return err },
		func() error { _, err := v.SignDownload(t.Context(), data, "crm", time.Hour); return err },
		func() error { _, err := v.Swap(t.Context(), "state/x", []byte("1"), ""); return err },
		func() error { return v.Delete(t.Context(), data) },
		func() error { return v.AbortUpload(t.Context(), holdfast.Upload{Key: data, ID: "none"}) },
	} {
		s.ExpireTokens()
		s.Calls()
		if err := step(); err != nil {
			t.Errorf("step %d: %v", i, err)
		}
		if got := s.Calls()["b2_authorize_account"]; got != 1 {
			t.Errorf("step %d: authorized %d times", i, got)
		}
	}
	// In the middle: between the two listings of a Put, and with others at it.
	var once atomic.Bool
	s.FailWith(watch("b2_upload_file", func(*http.Request) {
		if once.CompareAndSwap(false, true) {
			s.ExpireTokens()
		}
	}))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if err := v.Put(t.Context(), data+string(rune('a'+i)), []byte("a body")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestAKeyThatIsNoneIsNamedAndNotItsSecret(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	k := s.NewKey(t, "", capabilities(t, "all")...)
	k.Secret = "K005thisisnotthesecret"
	v := vaultWith(t, s, k)
	err := v.Put(t.Context(), data, []byte("x"))
	if err == nil || !strings.Contains(err.Error(), k.ID) || strings.Contains(err.Error(), k.Secret) || !strings.Contains(err.Error(), "no such application key") {
		t.Errorf("got %v", err)
	}
	if got := s.Calls()["b2_authorize_account"]; got != 1 {
		t.Errorf("%d attempts with a wrong secret", got)
	}
}

func TestARefusalNamesTheCapability(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	must(t, newVault(t, s).Put(t.Context(), data, []byte("a body")))
	without := func(capability string) *Vault {
		var rest []string
		for _, c := range capabilities(t, "all") {
			if c != capability {
				rest = append(rest, c)
			}
		}
		return newVault(t, s, rest...)
	}
	for capability, call := range map[string]func(v *Vault) error{
		"listBuckets": func(v *Vault) error { return v.Put(t.Context(), "a", nil) },
		"listFiles":   func(v *Vault) error { return v.Put(t.Context(), "a", nil) },
		"writeFiles":  func(v *Vault) error { return v.Put(t.Context(), "a", nil) },
		"readFiles":   func(v *Vault) error { _, err := v.Open(t.Context(), data, 0, -1); return err },
		"deleteFiles": func(v *Vault) error { return v.Delete(t.Context(), data) },
		"shareFiles":  func(v *Vault) error { _, err := v.SignDownload(t.Context(), data, "crm", time.Hour); return err },
	} {
		v := without(capability)
		err := call(v)
		if err == nil || !strings.Contains(err.Error(), "needs the capability "+capability) || !strings.Contains(err.Error(), v.options.KeyID) {
			t.Errorf("without %s: got %v", capability, err)
		}
	}
	elsewhere, err := New(Options{Bucket: s.Bucket, Prefix: "other", KeyID: "", Key: secret.New("x")})
	if err == nil {
		t.Errorf("a vault without a key: got %v", elsewhere)
	}
	k := s.NewKey(t, "other/", capabilities(t, "all")...)
	if err := vaultWith(t, s, k).Put(t.Context(), data, []byte("x")); err == nil || !strings.Contains(err.Error(), "this bucket and prefix") {
		t.Errorf("a key for another prefix: got %v", err)
	}
}

func TestACapIsNoSpaceLeft(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"cap_exceeded", "storage_cap_exceeded", "transaction_cap_exceeded"} {
		s := newServer(t)
		v := newVault(t, s)
		s.FailWith(failing("b2_upload_file", standin.Fault{Status: 403, Code: code, Message: "Cannot upload files, storage cap exceeded."}, always))
		err := v.Put(t.Context(), data, []byte("a body"))
		wants(t, code, err, holdfast.ErrFull)
		if err == nil || !strings.Contains(err.Error(), "cap") || s.Calls()["b2_upload_file"] != 1 {
			t.Errorf("%s: got %v", code, err)
		}
	}
}

func TestBytesThatChangeOnTheWayAreRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	v := newVault(t, s)
	v.options.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
		if strings.Contains(r.URL.Path, "b2_upload_file") {
			r.Body = io.NopCloser(strings.NewReader("b body"))
		}
		return http.DefaultTransport.RoundTrip(r)
	})
	err := v.Put(t.Context(), data, []byte("a body"))
	if err == nil || !strings.Contains(err.Error(), "Checksum did not match") {
		t.Errorf("got %v", err)
	}
	if left := all(t, v, ""); len(left) > 0 {
		t.Errorf("left: %+v", left)
	}
}

// An answer that is lost after the work was done: the next attempt must not fail for
// what the first has done.
func TestALostAnswerIsNoFailure(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	v := newVault(t, s)
	lost := func(op string) {
		var done atomic.Bool
		v.options.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			answer, err := http.DefaultTransport.RoundTrip(r)
			if err == nil && strings.Contains(r.URL.Path, op) && done.CompareAndSwap(false, true) {
				answer.Body.Close()
				return nil, errors.New("connection reset by peer")
			}
			return answer, err
		})
		if s, err := v.session(t.Context()); err == nil {
			must(t, v.forget(t.Context(), s))
		}
	}
	lost("b2_upload_file")
	must(t, v.Put(t.Context(), data, []byte("a body")))
	lost("b2_upload_file")
	tag, err := v.Swap(t.Context(), "state/x", []byte("1"), "")
	must(t, err)
	if _, present, err := v.Load(t.Context(), "state/x"); err != nil || present != tag {
		t.Errorf("load: tag %q, %v, want %q", present, err, tag)
	}
	lost("b2_delete_file_version")
	must(t, v.Delete(t.Context(), data))
	must(t, v.Delete(t.Context(), "state/x"))
	if left := all(t, v, ""); len(left) > 0 {
		t.Errorf("left: %+v", left)
	}
}

func TestWhatIsNotB2IsToldSo(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{"JSON of another kind": `{"hello": "world"}`, "a page": "<html>"} {
		other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) }))
		v, err := New(Options{Bucket: "acme-backups", KeyID: "005", Key: secret.New("secret"), API: other.URL})
		must(t, err)
		v.pause = time.Millisecond
		if err := v.Put(t.Context(), data, nil); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v", name, err)
		}
		other.Close()
	}
}
