package disk

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/vault/conform"
)

// hmacSealer stands in for token.Sealer.
type hmacSealer struct{ secret []byte }

type sealedClaims struct {
	Kind    string
	Expires time.Time
	Claims  json.RawMessage
}

func (s hmacSealer) mac(text string) string {
	mac := hmac.New(sha256.New, s.secret)
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

func (s hmacSealer) Seal(kind string, claims any, expires time.Time) (string, error) {
	inner, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	outer, err := json.Marshal(sealedClaims{kind, expires, inner})
	if err != nil {
		return "", err
	}
	text := base64.RawURLEncoding.EncodeToString(outer)
	return text + "." + s.mac(text), nil
}

func (s hmacSealer) Open(kind, sealed string, claims any, now time.Time) error {
	text, mac, _ := strings.Cut(sealed, ".")
	if !hmac.Equal([]byte(mac), []byte(s.mac(text))) {
		return errors.New("wrong signature")
	}
	outer, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return err
	}
	var c sealedClaims
	if err := json.Unmarshal(outer, &c); err != nil {
		return err
	}
	if c.Kind != kind || !now.Before(c.Expires) {
		return errors.New("of another kind, or expired")
	}
	return json.Unmarshal(c.Claims, claims)
}

// clock is a clock that only moves when told to.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2025, 10, 28, 14, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(_ context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return nil
}

// newVault opens root and serves it under a path, as `serve` does.
func newVault(t testing.TB, root string, clock *clock) (*Vault, *http.Client) {
	t.Helper()
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	v, err := New(root, Options{BaseURL: server.URL + "/vaults/main", Sealer: hmacSealer{[]byte("secret")}, Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	handler = v.Handler()
	return v, server.Client()
}

func TestConformance(t *testing.T) {
	clock := newClock()
	v, client := newVault(t, t.TempDir(), clock)
	env := conform.NewEnv(v, client)
	env.Advance = clock.Advance
	results := conform.Run(t.Context(), env)
	if len(results) == 0 {
		t.Fatal("no checks")
	}
	for _, r := range results {
		t.Run(r.Name, func(t *testing.T) {
			switch {
			case r.Skipped() && r.Name == "delete-locked": // a directory knows no locks
			case r.Err != nil:
				t.Error(r.Err)
			}
		})
	}
	// Clean, apart from the vault's own names.
	if got := files(t, v.root.Name()); len(got) != 1 || got[0] != stateLock {
		t.Errorf("left behind: %q", got)
	}
}

// files returns the files below dir.
func files(t testing.TB, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, _ := filepath.Rel(dir, path)
			all = append(all, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// part describes body as part n.
func part(n int, body []byte) holdfast.Part {
	sum := sha256.Sum256(body)
	return holdfast.Part{Number: n, Size: int64(len(body)), Sum: hex.EncodeToString(sum[:])}
}

func start(t testing.TB, v *Vault, key string) holdfast.Upload {
	t.Helper()
	u, err := v.StartUpload(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// sign signs body as part n.
func sign(t testing.TB, v *Vault, u holdfast.Upload, n int, body []byte) holdfast.Request {
	t.Helper()
	r, err := v.SignPart(t.Context(), u, part(n, body), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// do sends a request and returns the status and the text of the answer.
func do(t testing.TB, client *http.Client, method, url string, body io.Reader) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// send stores body as part n.
func send(t testing.TB, v *Vault, client *http.Client, u holdfast.Upload, n int, body []byte) holdfast.Part {
	t.Helper()
	status, text := do(t, client, http.MethodPut, sign(t, v, u, n, body).URL, bytes.NewReader(body))
	if status != http.StatusOK {
		t.Fatalf("send part %d: status %d: %s", n, status, text)
	}
	return part(n, body)
}

// content returns the whole object.
func content(t testing.TB, v *Vault, key string) []byte {
	t.Helper()
	r, err := v.Open(t.Context(), key, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	body, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func keys(t testing.TB, v *Vault, prefix string) (all []string) {
	t.Helper()
	for o, err := range v.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, o.Key)
	}
	return all
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func TestWithoutASealerOnlySigningFails(t *testing.T) {
	v, err := New(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if err := v.Put(t.Context(), "a/b", []byte("x")); err != nil {
		t.Error(err)
	}
	u := start(t, v, "a/c")
	if _, err := v.SignPart(t.Context(), u, part(1, []byte("x")), time.Hour); !errors.Is(err, errNoSealer) {
		t.Errorf("sign part: got error %v, want %v", err, errNoSealer)
	}
	if _, err := v.SignDownload(t.Context(), "a/b", "b", time.Hour); !errors.Is(err, errNoSealer) {
		t.Errorf("sign download: got error %v, want %v", err, errNoSealer)
	}
	server := httptest.NewServer(v.Handler())
	defer server.Close()
	for _, c := range [][2]string{{"PUT", "/p/x"}, {"GET", "/d/x"}} {
		if status, _ := do(t, server.Client(), c[0], server.URL+c[1], nil); status != http.StatusForbidden {
			t.Errorf("%s %s: got status %d, want %d", c[0], c[1], status, http.StatusForbidden)
		}
	}
}

func TestOnlyTheOwnerMayLookInside(t *testing.T) {
	root := filepath.Join(t.TempDir(), "new", "vault")
	v, client := newVault(t, root, newClock())
	if err := v.Put(t.Context(), "a/b/c", []byte("x")); err != nil {
		t.Fatal(err)
	}
	send(t, v, client, start(t, v, "a/d"), 1, []byte("x"))
	if _, err := v.Swap(t.Context(), "state/x", []byte("x"), ""); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if want := map[bool]fs.FileMode{true: 0o700, false: 0o600}[d.IsDir()]; err == nil && info.Mode().Perm() != want {
			t.Errorf("%s: mode %o, want %o", path, info.Mode().Perm(), want)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAVaultWhoseRootVanishedIsNotEmpty(t *testing.T) {
	v, _ := newVault(t, t.TempDir(), newClock())
	if err := os.RemoveAll(v.root.Name()); err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"", "backups/", "backups/web1/crm/"} {
		n := 0
		for _, err := range v.List(t.Context(), prefix) {
			if n++; err == nil || errors.Is(err, holdfast.ErrNotExist) {
				t.Errorf("list %q: got error %v, want a failure", prefix, err)
			}
		}
		if n != 1 {
			t.Errorf("list %q: got nothing, want one error", prefix)
		}
	}
	if _, err := v.Open(t.Context(), "backups/x", 0, -1); err == nil || errors.Is(err, holdfast.ErrNotExist) {
		t.Errorf("open: got error %v, want a failure", err)
	}
}
