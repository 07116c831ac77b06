package fault_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/holdfast-backup/holdfast/internal/alert/fault"
)

const address = "https://someone:p%40ssword@hooks.example.com/services/T0001/B00002/abcDEF123?key=k3yk3yk3y#fragment"

func TestOfHoldsNothingSecret(t *testing.T) {
	for name, err := range map[string]error{
		"an error of net/http":        &url.Error{Op: "Post", URL: address, Err: errors.New("dial tcp: connection refused")},
		"one that is wrapped":         fmt.Errorf("post: %w", &url.Error{Op: "Post", URL: address, Err: errors.New("EOF")}),
		"a service that quotes all":   errors.New("no such hook: " + address),
		"a service that quotes parts": errors.New("no hook T0001/B00002/abcDEF123 for p@ssword with key k3yk3yk3y, p%40ssword"),
		"lines":                       errors.New("first\nsecond\x1b[31m third /services/T0001/B00002/abcDEF123"),
	} {
		t.Run(name, func(t *testing.T) {
			got := fault.Of(err, fault.Parts(address)...)
			for _, hidden := range []string{"abcDEF123", "B00002", "p@ssword", "p%40ssword", "k3yk3yk3y", "\n", "\x1b"} {
				if strings.Contains(got.Error(), hidden) {
					t.Errorf("%q has %q", got, hidden)
				}
			}
			if errors.Unwrap(got) != nil {
				t.Errorf("%q wraps %q", got, errors.Unwrap(got))
			}
		})
	}
}

func TestOfKeepsWhyAndThatAContextHasEnded(t *testing.T) {
	inner := &url.Error{Op: "Post", URL: address, Err: errors.New("dial tcp 192.0.2.1:443: connection refused")}
	if got, want := fault.Of(inner, fault.Parts(address)...).Error(), "dial tcp 192.0.2.1:443: connection refused"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := fault.Of(&url.Error{Op: "Post", URL: address, Err: context.DeadlineExceeded}); !errors.Is(got, context.DeadlineExceeded) {
		t.Errorf("got %v, want that the deadline was exceeded", got)
	}
	if got := fault.Of(nil); got != nil {
		t.Errorf("got %v of no error", got)
	}
	if got := fault.Of(errors.New(strings.Repeat("ü", 4000))).Error(); len(got) > 310 || !utf8.ValidString(got) {
		t.Errorf("got %d bytes, valid UTF-8: %v", len(got), utf8.ValidString(got))
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2025, 10, 28, 14, 0, 0, 0, time.UTC)
	for text, want := range map[string]struct {
		after time.Duration
		ok    bool
	}{
		"30": {30 * time.Second, true}, "0": {time.Second, true}, "-5": {time.Second, true}, "86400": {time.Hour, true},
		"Tue, 28 Oct 2025 14:00:40 GMT": {40 * time.Second, true}, "Tue, 28 Oct 2025 13:00:00 GMT": {time.Second, true},
		"": {time.Minute, false}, "soon": {time.Minute, false}, "99999999999999999999": {time.Minute, false},
	} {
		if after, ok := fault.RetryAfter(http.Header{"Retry-After": {text}}, now); after != want.after || ok != want.ok {
			t.Errorf("%q: got %s, %v, want %s, %v", text, after, ok, want.after, want.ok)
		}
	}
}

func TestClientFollowsNobodyAndReadsLittle(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("came to %s", r.URL) }))
	defer elsewhere.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/redirect" {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
			return
		}
		for range 1 << 10 {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	}))
	defer server.Close()
	var answer fault.Answer
	client := fault.Client(nil, &answer)
	for path, status := range map[string]int{"/redirect": 307, "/long": 200} {
		resp, err := client.Post(server.URL+path, "text/plain", strings.NewReader("secret"))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if answer.Status != status || len(answer.Body) > 64<<10 {
			t.Errorf("%s: got status %d with %d bytes, want %d", path, answer.Status, len(answer.Body), status)
		}
	}
	if http.DefaultClient.CheckRedirect != nil {
		t.Error("the default client was changed")
	}
}
