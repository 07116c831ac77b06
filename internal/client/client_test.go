package client

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
	"github.com/holdfast-backup/holdfast/internal/token"
)

var noon = time.Date(2025, 10, 28, 12, 0, 0, 0, time.UTC)

const testID = holdfast.ID("20251028T120000Z-9f3c2a7d")

// fakeBroker verifies every token as the broker does and then answers as the
// test says, by the number of the call.
type fakeBroker struct {
	t      *testing.T
	answer func(n int, w http.ResponseWriter, r *http.Request, body []byte)

	mu       sync.Mutex
	calls    int
	tokens   []string
	verifier *token.Verifier
}

func (b *fakeBroker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	body, err := io.ReadAll(r.Body)
	if err != nil {
		b.t.Error(err)
	}
	if r.URL.Path != api.PathHealth {
		path := r.URL.EscapedPath()
		if r.URL.RawQuery != "" {
			path += "?" + r.URL.RawQuery
		}
		authorization := r.Header.Get("Authorization")
		b.tokens = append(b.tokens, authorization)
		proven, err := b.verifier.Verify(authorization, r.Method, path)
		if err != nil {
			b.t.Errorf("%s %s: %v", r.Method, path, err)
		} else if err := proven.CheckBody(body); err != nil {
			b.t.Error(err)
		}
	}
	b.answer(b.calls, w, r, body)
}

// seen returns how many calls came, and how many different tokens.
func (b *fakeBroker) seen() (calls, tokens int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls, len(slices.Compact(slices.Sorted(slices.Values(b.tokens))))
}

// newClient returns a client of a broker that answers so, whose pauses are
// written down instead of waited for.
func newClient(t *testing.T, prefix string, answer func(n int, w http.ResponseWriter, r *http.Request, body []byte)) (*Client, *fakeBroker, *[]time.Duration) {
	t.Helper()
	seed := sha256.Sum256([]byte("web1"))
	key := ed25519.NewKeyFromSeed(seed[:])
	broker := &fakeBroker{t: t, answer: answer}
	server := httptest.NewServer(http.StripPrefix(prefix, broker))
	t.Cleanup(server.Close)
	signer, err := token.NewSigner(key, "web1", server.URL+prefix)
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return noon }
	broker.verifier, err = token.NewVerifier(server.URL+prefix, func(string) (holdfast.Principal, bool) {
		return holdfast.Principal{Name: "web1", Key: key.Public().(ed25519.PublicKey)}, true
	}, now)
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(Options{BaseURL: server.URL + prefix + "/", Signer: signer, UserAgent: "pusher/test", Now: now})
	if err != nil {
		t.Fatal(err)
	}
	pauses := &[]time.Duration{}
	c.wait = func(ctx context.Context, d time.Duration) error {
		*pauses = append(*pauses, d)
		return ctx.Err()
	}
	c.jitter = func() float64 { return 1 }
	return c, broker, pauses
}

func writeJSON(t *testing.T, w http.ResponseWriter, status int, contentType string, v any) {
	t.Helper()
	body, err := json.Marshal(v)
	if err != nil {
		t.Error(err)
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		t.Error(err)
	}
}

func TestEveryCallGoesWhereItBelongsWithATokenThatFits(t *testing.T) {
	ref := holdfast.Ref{Host: "web1", Job: "crm", ID: testID}
	one := holdfast.Request{Method: "PUT", URL: "https://store.example/"}
	part := api.PartsRequest{UploadToken: "u", Stream: "crm", Parts: []holdfast.Part{{Number: 1, Size: 1}}}
	start := api.StartRequest{Job: "crm", Streams: []api.StartStream{{Name: "crm", File: "crm.sql"}}}
	cases := map[string]struct {
		want   string
		answer any
		call   func(context.Context, *Client) (any, error)
	}{
		"start": {"POST /v1/backups", api.StartResponse{ID: testID, Vaults: []api.VaultUpload{{Vault: "main", Uploads: []api.StreamPlan{{Name: "crm"}}}}},
			func(ctx context.Context, c *Client) (any, error) { return c.Start(ctx, start) }},
		"parts": {"POST /v1/backups/" + string(testID) + "/parts", api.PartsResponse{Requests: []holdfast.Request{one}},
			func(ctx context.Context, c *Client) (any, error) { return c.SignParts(ctx, testID, part) }},
		"commit": {"POST /v1/backups/" + string(testID) + "/commit", api.CommitResponse{Ref: ref, Size: 1},
			func(ctx context.Context, c *Client) (any, error) {
				return c.Commit(ctx, testID, api.CommitRequest{Manifest: []byte("m")})
			}},
		"report": {"POST /v1/reports", api.ReportResponse{ID: testID},
			func(ctx context.Context, c *Client) (any, error) {
				return c.Report(ctx, holdfast.Report{Kind: holdfast.ReportFailure})
			}},
		"list all": {"GET /v1/backups", api.ListResponse{Backups: []api.Listed{{Backup: holdfast.Backup{Ref: ref}, Vault: "main"}}},
			func(ctx context.Context, c *Client) (any, error) { return c.List(ctx, "", "") }},
		"list some": {"GET /v1/backups?host=web1&job=crm", api.ListResponse{Now: noon},
			func(ctx context.Context, c *Client) (any, error) { return c.List(ctx, "web1", "crm") }},
		"list odd names": {"GET /v1/backups?host=a+b%26job%3Dc", api.ListResponse{Now: noon},
			func(ctx context.Context, c *Client) (any, error) { return c.List(ctx, "a b&job=c", "") }},
		"downloads": {"POST /v1/downloads", api.DownloadResponse{Manifest: one},
			func(ctx context.Context, c *Client) (any, error) {
				return c.Downloads(ctx, api.DownloadRequest{Ref: ref})
			}},
		"ticket": {"POST /v1/tickets", api.TicketResponse{URL: "https://b.example/r/x"},
			func(ctx context.Context, c *Client) (any, error) {
				return c.Ticket(ctx, api.TicketRequest{Ref: ref, File: "manifest.json"})
			}},
		"health": {"GET /healthz", api.Health{OK: true, Version: "1"},
			func(ctx context.Context, c *Client) (any, error) { return c.Health(ctx) }},
	}
	for name, tc := range cases {
		for _, prefix := range []string{"", "/behind/a/proxy"} {
			t.Run(name+prefix, func(t *testing.T) {
				c, broker, _ := newClient(t, prefix, func(_ int, w http.ResponseWriter, r *http.Request, _ []byte) {
					if got := r.Method + " " + r.URL.RequestURI(); got != tc.want {
						t.Errorf("got %s, want %s", got, tc.want)
					}
					if got := r.Header.Get("User-Agent"); got != "pusher/test" {
						t.Errorf("got user agent %q", got)
					}
					writeJSON(t, w, http.StatusOK, "application/json", tc.answer)
				})
				got, err := tc.call(t.Context(), c)
				if diff := cmp.Diff(tc.answer, got); err != nil || diff != "" {
					t.Errorf("%v %s", err, diff)
				}
				if calls, _ := broker.seen(); calls != 1 {
					t.Errorf("%d calls, want 1", calls)
				}
			})
		}
	}
	c, _, _ := newClient(t, "", func(_ int, w http.ResponseWriter, _ *http.Request, _ []byte) { w.WriteHeader(http.StatusNoContent) })
	if err := c.Abort(t.Context(), testID, api.AbortRequest{Reason: "x"}); err != nil {
		t.Error(err)
	}
}

func TestCallIsTriedAgainWhileThatMayHelp(t *testing.T) {
	problem := func(status int, code string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			writeJSON(t, w, status, api.ProblemType, api.Problem{Type: code, Title: "x", Status: status})
		}
	}
	cases := map[string]struct {
		fail  func(http.ResponseWriter)
		calls int
	}{
		"500":               {problem(500, "about:blank"), maxAttempts},
		"502 of a proxy":    {func(w http.ResponseWriter) { w.WriteHeader(502) }, maxAttempts},
		"503":               {problem(503, "about:blank"), maxAttempts},
		"429 of a gateway":  {func(w http.ResponseWriter) { w.WriteHeader(429) }, maxAttempts},
		"a reset":           {func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, maxAttempts},
		"429 of a quota":    {problem(429, api.ProblemQuota), 1},
		"a full vault":      {problem(507, api.ProblemFull), 1},
		"400":               {problem(400, "about:blank"), 1},
		"401":               {problem(401, api.ProblemToken), 1},
		"404":               {problem(404, api.ProblemNotFound), 1},
		"409":               {problem(409, api.ProblemExists), 1},
		"a redirect":        {func(w http.ResponseWriter) { w.Header().Set("Location", "/healthz"); w.WriteHeader(302) }, 1},
		"a page instead":    {func(w http.ResponseWriter) { _, _ = io.WriteString(w, "<html>") }, 1},
		"an endless answer": {func(w http.ResponseWriter) { _, _ = io.WriteString(w, "{}"+strings.Repeat(" ", maxAnswer)) }, 1},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c, broker, pauses := newClient(t, "", func(_ int, w http.ResponseWriter, _ *http.Request, _ []byte) { tc.fail(w) })
			_, err := c.Downloads(t.Context(), api.DownloadRequest{})
			if err == nil {
				t.Error("want an error")
			}
			calls, tokens := broker.seen()
			if calls != tc.calls || len(*pauses) != tc.calls-1 {
				t.Errorf("%d calls and %d pauses, want %d and %d", calls, len(*pauses), tc.calls, tc.calls-1)
			}
			if tokens != tc.calls {
				t.Errorf("%d different tokens in %d calls", tokens, tc.calls)
			}
		})
	}
}

func TestCallSucceedsOnceTheBrokerIsBack(t *testing.T) {
	c, broker, pauses := newClient(t, "", func(n int, w http.ResponseWriter, _ *http.Request, _ []byte) {
		switch n {
		case 1:
			w.WriteHeader(http.StatusBadGateway)
		case 2:
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusServiceUnavailable)
		case 3:
			w.Header().Set("Retry-After", "100000")
			w.WriteHeader(http.StatusTooManyRequests)
		default:
			writeJSON(t, w, http.StatusOK, "application/json", api.ReportResponse{ID: testID})
		}
	})
	if _, err := c.Report(t.Context(), holdfast.Report{}); err != nil {
		t.Fatal(err)
	}
	want := []time.Duration{firstPause, 7 * time.Second, maxPause}
	calls, _ := broker.seen()
	if diff := cmp.Diff(want, *pauses); diff != "" || calls != 4 {
		t.Errorf("%d calls, pauses: %s", calls, diff)
	}
}

func TestTryingAgainEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c, broker, _ := newClient(t, "", func(_ int, w http.ResponseWriter, _ *http.Request, _ []byte) {
		w.WriteHeader(http.StatusBadGateway)
	})
	c.wait = func(context.Context, time.Duration) error {
		cancel()
		return ctx.Err()
	}
	if _, err := c.Report(ctx, holdfast.Report{}); err == nil || !strings.Contains(err.Error(), "502") {
		t.Errorf("got %v, want what the broker answered last", err)
	}
	if calls, _ := broker.seen(); calls != 1 {
		t.Errorf("%d calls, want 1", calls)
	}
}

func TestProblemReachesTheCallerWithItsHint(t *testing.T) {
	want := api.Problem{Type: api.ProblemQuota, Title: "over quota", Status: 413, Detail: "too large", Hint: "raise max_size", RequestID: "abc"}
	c, _, _ := newClient(t, "", func(_ int, w http.ResponseWriter, _ *http.Request, _ []byte) {
		writeJSON(t, w, want.Status, api.ProblemType, want)
	})
	_, err := c.Start(t.Context(), api.StartRequest{})
	got, ok := errors.AsType[*api.Problem](err)
	if !ok {
		t.Fatalf("got %v, want a problem", err)
	}
	if diff := cmp.Diff(want, *got); diff != "" {
		t.Error(diff)
	}
}

// An HTTP API of AWS refuses a body by itself, and says no more than this.
func TestACallThatIsTooLargeForWhatStandsBeforeTheBrokerHasAHint(t *testing.T) {
	c, _, _ := newClient(t, "", func(_ int, w http.ResponseWriter, _ *http.Request, _ []byte) {
		writeJSON(t, w, http.StatusRequestEntityTooLarge, "application/json", map[string]string{"message": "Request Too Long"})
	})
	_, err := c.Start(t.Context(), api.StartRequest{})
	var hinted interface{ Hint() string }
	if !errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), "several jobs") || !strings.Contains(err.Error(), "413") {
		t.Errorf("got %v, want a hint", err)
	}
}

func TestAnswersThatDoNotFitTheCallAreErrors(t *testing.T) {
	c, _, _ := newClient(t, "", func(_ int, w http.ResponseWriter, _ *http.Request, _ []byte) {
		writeJSON(t, w, http.StatusOK, "application/json", map[string]any{"id": "../x"})
	})
	if _, err := c.Start(t.Context(), api.StartRequest{}); err == nil {
		t.Error("an id that is none was taken")
	}
	if _, err := c.SignParts(t.Context(), testID, api.PartsRequest{Parts: make([]holdfast.Part, 2)}); err == nil {
		t.Error("no requests were taken for two")
	}
}

func TestPlainHTTPIsForLoopbackOnly(t *testing.T) {
	for base, ok := range map[string]bool{
		"https://broker.example":   true,
		"http://127.0.0.1:8420":    true,
		"http://127.8.8.8":         true,
		"http://[::1]:8420":        true,
		"http://localhost:8420":    true,
		"http://broker.example":    false,
		"http://10.0.0.1":          false,
		"http://0.0.0.0:8420":      false,
		"http://localhost.evil.io": false,
		"http://127.0.0.1.evil.io": false,
		"broker.example":           false,
		"":                         false,
	} {
		if _, err := New(Options{BaseURL: base}); (err == nil) != ok {
			t.Errorf("%q: got %v, want it accepted: %t", base, err, ok)
		}
	}
}

func TestSignerOfAnotherBrokerIsRefused(t *testing.T) {
	signer, err := token.NewSigner(ed25519.NewKeyFromSeed(make([]byte, 32)), "web1", "https://one.example")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(Options{BaseURL: "https://two.example", Signer: signer}); err == nil {
		t.Error("want an error")
	}
	c, err := New(Options{BaseURL: "https://one.example"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.List(t.Context(), "", ""); !errors.Is(err, errNoSigner) {
		t.Errorf("got %v, want %v", err, errNoSigner)
	}
}
