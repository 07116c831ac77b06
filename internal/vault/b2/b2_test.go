package b2

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/testenv"
	standin "github.com/holdfast-backup/holdfast/internal/testenv/b2"
)

// The stand-in's address says no region, as B2's own does.
func TestMain(m *testing.M) {
	if err := os.Setenv("AWS_REGION", "eu-west-3"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// capabilities returns those of a role's key.
func capabilities(t testing.TB, role string) []string {
	t.Helper()
	r, err := RoleOf(role)
	must(t, err)
	return r.Capabilities
}

// newServer starts a stand-in.
func newServer(t testing.TB) *standin.Server { return standin.New(t, testenv.Bucket{}) }

// newVault returns a vault below a prefix of the stand-in's bucket, with a key of its
// own that has these capabilities, and everything if none are given.
func newVault(t testing.TB, s *standin.Server, can ...string) *Vault {
	t.Helper()
	if len(can) == 0 {
		can = capabilities(t, "all")
	}
	return vaultWith(t, s, s.NewKey(t, "acme/", can...))
}

// vaultWith returns a vault below the prefix acme that uses the key.
func vaultWith(t testing.TB, s *standin.Server, k standin.Key) *Vault {
	t.Helper()
	return vaultAt(t, s, k, nil)
}

// vaultAt is vaultWith by another clock; nil is the true one.
func vaultAt(t testing.TB, s *standin.Server, k standin.Key, now func() time.Time) *Vault {
	t.Helper()
	v, err := New(Options{Bucket: s.Bucket, Prefix: "acme", KeyID: k.ID, Key: secret.New(k.Secret), API: s.URL, Now: now})
	must(t, err)
	v.pause = 5 * time.Millisecond
	return v
}

// must stops the test at an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// read returns all bytes of an object.
func read(t testing.TB, v holdfast.Reader, key string) string {
	t.Helper()
	r, err := v.Open(t.Context(), key, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	body, err := io.ReadAll(r)
	must(t, err)
	return string(body)
}

// keys returns the listed keys.
func keys(t testing.TB, v holdfast.Lister, prefix string) (all []string) {
	t.Helper()
	for o, err := range v.List(t.Context(), prefix) {
		must(t, err)
		all = append(all, o.Key)
	}
	return all
}

// all returns every version below a prefix, markers and unfinished ones too.
func all(t testing.TB, v *Vault, prefix string) (found []version) {
	t.Helper()
	for one, err := range v.versions(t.Context(), prefix) {
		must(t, err)
		found = append(found, one)
	}
	return found
}

// wants fails the test unless err is want.
func wants(t testing.TB, doing string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got error %v, want %v", doing, err, want)
	}
}

// fetch returns what a signed request yields.
func fetch(t testing.TB, r holdfast.Request, change func(*http.Request)) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), r.Method, r.URL, nil)
	must(t, err)
	for name, value := range r.Header {
		req.Header.Set(name, value)
	}
	if change != nil {
		change(req)
	}
	answer, err := http.DefaultClient.Do(req)
	must(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	must(t, err)
	return answer.StatusCode, string(text)
}
