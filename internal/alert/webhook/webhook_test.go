package webhook_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert/conform"
	"github.com/holdfast-backup/holdfast/internal/alert/sample"
	"github.com/holdfast-backup/holdfast/internal/alert/webhook"
	"github.com/holdfast-backup/holdfast/internal/secret"
)

var update = flag.Bool("update", false, "write the golden files")

var now = time.Date(2025, 10, 28, 14, 0, 0, 0, time.UTC)

const (
	path = "/hooks/secretPath42?key=secretKey42"
	key  = "what-the-body-is-signed-with"
)

// program is the operator's: it takes what is signed as docs/webhook.md says.
type program struct {
	*httptest.Server
	t         *testing.T
	mu        sync.Mutex
	behaviour conform.Behaviour
	closing   chan struct{}
	bodies    [][]byte
	headers   []http.Header
	answer    func(w http.ResponseWriter) // instead of 204
}

func newProgram(t *testing.T) *program {
	p := &program{t: t, closing: make(chan struct{})}
	p.Server = httptest.NewServer(p)
	t.Cleanup(func() { close(p.closing); p.Close() })
	return p
}

func (p *program) Behave(b conform.Behaviour) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.behaviour = b
	return nil
}

func (p *program) Taken() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []string
	for _, body := range p.bodies {
		all = append(all, string(body))
	}
	return all
}

// verify is what docs/webhook.md tells to do.
func verify(header string, body []byte, at time.Time) error {
	var t int64
	var sent string
	if _, err := fmt.Sscanf(header, "t=%d,v1=%64s", &t, &sent); err != nil {
		return fmt.Errorf("signature %q: %w", header, err)
	}
	if at.Unix()-t > 300 || t-at.Unix() > 300 {
		return errors.New("too old")
	}
	mac := hmac.New(sha256.New, []byte(key))
	fmt.Fprintf(mac, "%d.%s", t, body)
	if !hmac.Equal([]byte(sent), []byte(hex.EncodeToString(mac.Sum(nil)))) {
		return errors.New("not ours")
	}
	return nil
}

func (p *program) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch p.behaviour {
	case conform.Hangs:
		p.mu.Unlock()
		select {
		case <-r.Context().Done():
		case <-p.closing:
		}
		p.mu.Lock()
		return
	case conform.Refuses:
		http.Error(w, "nothing at "+r.URL.String()+"\nfor "+key, http.StatusForbidden)
		return
	case conform.Fails:
		http.Error(w, "out of order", http.StatusBadGateway)
		return
	case conform.Garbage:
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			p.t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, "\x00\x01 secretPath42\r\n\r\n")
		_ = conn.Close()
		return
	case conform.Busy:
		w.Header().Set("Retry-After", "30")
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	if p.answer != nil {
		p.answer(w)
		return
	}
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || r.URL.String() != path {
		p.t.Errorf("got %s %s of %q", r.Method, r.URL, r.Header.Get("Content-Type"))
	}
	if err := verify(r.Header.Get("Holdfast-Signature"), body, now); err != nil {
		p.t.Error(err)
	}
	p.bodies, p.headers = append(p.bodies, body), append(p.headers, r.Header)
	w.WriteHeader(http.StatusNoContent)
}

func open(t *testing.T, p *program) *webhook.Channel {
	t.Helper()
	c, err := webhook.New(webhook.Options{
		URL: secret.New(p.URL + path), Secret: secret.New(key), UserAgent: "holdfast test", Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPromises(t *testing.T) {
	p := newProgram(t)
	env := &conform.Env{Channel: open(t, p), Far: p, Now: now, Secrets: []string{path, "secretPath42", "secretKey42", key}}
	results := conform.Run(t.Context(), env)
	if len(results) != len(conform.Checks()) {
		t.Fatalf("got %d results of %d checks", len(results), len(conform.Checks()))
	}
	for _, r := range results {
		if r.Err != nil {
			t.Errorf("%s: %v", r.Name, r.Err)
		}
	}
}

func TestEverySample(t *testing.T) {
	for _, m := range append(sample.Messages(now), sample.Hostile(now)...) {
		name := regexp.MustCompile(`^sample-|-\d{8}t\d{6}z$`).ReplaceAllString(m.ID, "")
		t.Run(name, func(t *testing.T) {
			p := newProgram(t)
			if posted, err := open(t, p).Send(t.Context(), m); err != nil || posted != "" {
				t.Fatalf("got %q, %v", posted, err)
			}
			var got struct {
				Version int
				Message holdfast.Message
			}
			if err := json.Unmarshal(p.bodies[0], &got); err != nil || got.Version != 1 || got.Message.ID != m.ID || len(got.Message.Items) != len(m.Items) {
				t.Errorf("the JSON is not the message: %v", err)
			}
			var b bytes.Buffer
			for _, header := range []string{"Content-Type", "User-Agent", "Holdfast-Id", "Holdfast-Signature"} {
				fmt.Fprintf(&b, "%s: %s\n", header, p.headers[0].Get(header))
			}
			b.WriteString("\n")
			if err := json.Indent(&b, p.bodies[0], "", "  "); err != nil {
				t.Fatal(err)
			}
			golden(t, name+".txt", b.String()+"\n")
		})
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestAnswers(t *testing.T) {
	status := func(code int, body string) func(w http.ResponseWriter) {
		return func(w http.ResponseWriter) { w.WriteHeader(code); _, _ = io.WriteString(w, body) }
	}
	later := func(code int, after string) func(w http.ResponseWriter) {
		return func(w http.ResponseWriter) { w.Header().Set("Retry-After", after); w.WriteHeader(code) }
	}
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter)
		want   string
		after  time.Duration
	}{
		"ok":                      {status(200, "whatever"), "", 0},
		"accepted":                {status(202, ""), "", 0},
		"gone":                    {status(410, ""), "it answers with status 410: it is not there any more", 0},
		"unprocessable":           {status(422, "no field\n\x1b[31mhost"), `it answers with status 422: no field \x1b[31mhost`, 0},
		"much to say":             {status(500, strings.Repeat("x", 5000)), "it answers with status 500: " + strings.Repeat("x", 300) + "…", 0},
		"busy":                    {later(429, "7"), "it answers with status 429", 7 * time.Second},
		"busy without a time":     {status(429, ""), "it answers with status 429", time.Minute},
		"out of order for a time": {later(503, "Tue, 28 Oct 2025 14:02:00 GMT"), "it answers with status 503", 2 * time.Minute},
		"out of order":            {status(503, ""), "it answers with status 503", 0},
		"a redirect": {func(w http.ResponseWriter) {
			w.Header().Set("Location", "https://evil.example.com/")
			w.WriteHeader(307)
		}, "it answers with status 307, a redirect, which is not followed", 0},
		"a redirect to the same":     {func(w http.ResponseWriter) { w.Header().Set("Location", "/x"); w.WriteHeader(308) }, "it answers with status 308, a redirect, which is not followed", 0},
		"a body that goes on and on": {func(w http.ResponseWriter) { _, _ = w.Write(make([]byte, 1<<20)) }, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProgram(t)
			p.answer = c.answer
			_, err := open(t, p).Send(t.Context(), sample.Messages(now)[0])
			if c.want == "" {
				if err != nil {
					t.Errorf("got %v", err)
				}
				return
			}
			if err == nil || err.Error() != "tell webhook: "+c.want {
				t.Errorf("got  %v\nwant tell webhook: %s", err, c.want)
			}
			again, ok := errors.AsType[*holdfast.RetryAfterError](err)
			if ok != (c.after > 0) || ok && again.After != c.after {
				t.Errorf("got %+v, want to come back after %s", again, c.after)
			}
		})
	}
}

func TestWithoutASecretNothingIsSigned(t *testing.T) {
	var got http.Header
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header }))
	defer server.Close()
	c, err := webhook.New(webhook.Options{URL: secret.New(server.URL)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Send(t.Context(), sample.Messages(now)[0]); err != nil {
		t.Fatal(err)
	}
	if got.Get("Holdfast-Signature") != "" || got.Get("User-Agent") != "holdfast" || got.Get("Holdfast-Id") == "" {
		t.Errorf("got %v", got)
	}
}

func TestNewRefusesWhatIsNoURLOfTheWeb(t *testing.T) {
	for _, address := range []string{"", "secretPath42", "ftp://secretPath42", "https://", "https://[secretPath42", "/secretPath42"} {
		if _, err := webhook.New(webhook.Options{URL: secret.New(address)}); err == nil || strings.Contains(err.Error(), "secretPath42") {
			t.Errorf("%q: got %v", address, err)
		}
	}
}
