package broker

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/token"
)

const brokerURL = "https://broker.example"

var noon = time.Date(2025, 10, 28, 12, 0, 0, 0, time.UTC)

// world is a broker with two vaults, the hosts web1 (jobs crm and media) and
// db1 (job crm), the operator ops who may restore all, and clerk who may
// restore db1's.
type world struct {
	t        testing.TB
	clock    time.Time
	vault    *fakeVault // "main": web1's
	other    *fakeVault // "other": db1's
	sealer   *token.Sealer
	registry *fakeRegistry
	broker   *Broker
	handler  http.Handler
	push     http.Handler
	restore  http.Handler
	log      *bytes.Buffer
	mu       sync.Mutex
	admitted []holdfast.Ref
	places   []string // of what was admitted: vaults
}

type fakeRegistry struct {
	principals map[string]holdfast.Principal
	quota      holdfast.Quota
	hosts      map[string]ed25519.PublicKey
	vaults     map[string][]string // by host/job
	direct     []string            // vaults that the broker does not sign for
	copied     []string            // vaults that no host sends to
}

func (r *fakeRegistry) Principal(kid string) (holdfast.Principal, bool) {
	p, ok := r.principals[kid]
	return p, ok
}

func (r *fakeRegistry) Job(host, job string) ([]string, holdfast.Policy, bool) {
	vaults, ok := r.vaults[host+"/"+job]
	return slices.Clone(vaults), holdfast.Policy{Quota: r.quota}, ok
}

func (r *fakeRegistry) Copied(vault, _, _ string) bool { return slices.Contains(r.copied, vault) }

func (r *fakeRegistry) Signs(vault string) bool { return !slices.Contains(r.direct, vault) }

func (r *fakeRegistry) Addresses(string) []netip.Prefix { return nil }

func (r *fakeRegistry) HostKeys(host string) []ed25519.PublicKey {
	if key, ok := r.hosts[host]; ok {
		return []ed25519.PublicKey{key}
	}
	return nil
}

func keyOf(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func publicOf(name string) ed25519.PublicKey { return keyOf(name).Public().(ed25519.PublicKey) }

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, clock: noon, log: &bytes.Buffer{}, registry: &fakeRegistry{
		principals: map[string]holdfast.Principal{},
		hosts:      map[string]ed25519.PublicKey{},
		quota:      holdfast.Quota{MaxSize: 1 << 30, MaxPerDay: 5},
		vaults:     map[string][]string{"web1/crm": {"main"}, "web1/media": {"main"}, "db1/crm": {"other"}},
	}}
	host := []holdfast.Scope{holdfast.ScopePush, holdfast.ScopeReport}
	for _, p := range []holdfast.Principal{
		{Name: "web1", Scopes: host, Jobs: []string{"web1/crm", "web1/media", "web1/unknown"}},
		{Name: "db1", Scopes: host, Jobs: []string{"db1/*"}},
		{Name: "ops", Scopes: []holdfast.Scope{holdfast.ScopeRestore}, Jobs: []string{"*/*"}},
		{Name: "clerk", Scopes: []holdfast.Scope{holdfast.ScopeRestore}, Jobs: []string{"db1/*"}},
	} {
		p.Key = publicOf(p.Name)
		w.registry.principals[holdfast.KeyID(p.Key)] = p
		w.registry.hosts[p.Name] = p.Key
	}
	now := func() time.Time { return w.clock }
	w.vault, w.other = newFakeVault(now), newFakeVault(now)
	var err error
	w.sealer, err = token.NewSealer(brokerURL, secret.New(strings.Repeat("s", 32)))
	if err != nil {
		t.Fatal(err)
	}
	b, err := New(Options{
		PublicURL: brokerURL + "/", Sealer: w.sealer, Registry: w.registry, Version: "test",
		Push:    map[string]PushVault{"main": w.vault, "other": w.other},
		Restore: map[string]RestoreVault{"main": w.vault, "other": w.other},
		Now:     now,
		Rand:    mathrand.NewChaCha8([32]byte{}),
		Log:     slog.New(slog.NewJSONHandler(&lockedWriter{w: w.log}, nil)),
		Committed: func(vault string, ref holdfast.Ref) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.admitted, w.places = append(w.admitted, ref), append(w.places, vault)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.broker = b
	w.handler, w.push, w.restore = b.Handler(), b.Push(), b.Restore()
	return w
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// sign returns a request token of who for a call.
func (w *world) sign(who, method, path string, body []byte, at time.Time) string {
	w.t.Helper()
	s, err := token.NewSigner(keyOf(who), who, brokerURL)
	if err != nil {
		w.t.Fatal(err)
	}
	signed, err := s.Sign(method, path, body, at)
	if err != nil {
		w.t.Fatal(err)
	}
	return signed
}

// serve sends a request as it is.
func (w *world) serve(method, path string, body []byte, authorization string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, brokerURL+path, bytes.NewReader(body))
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec
}

// call sends a call of who with a good token. body is marshalled unless it is
// []byte.
func (w *world) call(who, method, path string, body any) *httptest.ResponseRecorder {
	w.t.Helper()
	raw, ok := body.([]byte)
	if !ok && body != nil {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			w.t.Fatal(err)
		}
	}
	return w.serve(method, path, raw, "Bearer "+w.sign(who, method, path, raw, w.clock))
}

// answer checks the status and decodes the body.
func answer[T any](t testing.TB, rec *httptest.ResponseRecorder, status int) (v T) {
	t.Helper()
	if rec.Code != status {
		t.Fatalf("got %d, want %d: %s", rec.Code, status, rec.Body)
	}
	if rec.Code == http.StatusNoContent {
		return v
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &v); err != nil {
		t.Fatalf("answer %q: %v", rec.Body, err)
	}
	return v
}

func idPath(path string, id holdfast.ID) string {
	return strings.Replace(path, "{id}", string(id), 1)
}

func sum(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }

// begun is a backup that begins in one vault.
type begun struct {
	api.StartResponse
	api.VaultUpload
}

// start begins a backup of a job with one vault, with one stream "crm" unless
// others are named.
func (w *world) start(who, job string, names ...string) begun {
	w.t.Helper()
	all := w.startAll(who, job, names...)
	if len(all.Vaults) != 1 || len(all.Unavailable) > 0 || len(all.Direct) > 0 {
		w.t.Fatalf("started in %+v, want one vault", all)
	}
	return begun{all, all.Vaults[0]}
}

// startAll is start of a job with any number of vaults.
func (w *world) startAll(who, job string, names ...string) api.StartResponse {
	w.t.Helper()
	if len(names) == 0 {
		names = []string{"crm"}
	}
	req := api.StartRequest{Job: job}
	for _, name := range names {
		req.Streams = append(req.Streams, api.StartStream{Name: name, File: name + ".sql.zst.age"})
	}
	return answer[api.StartResponse](w.t, w.call(who, "POST", api.PathStart, req), http.StatusOK)
}

// upload sends one part of size bytes for each stream.
func (w *world) upload(who string, vault *fakeVault, begun begun, size int64) {
	w.t.Helper()
	for _, u := range begun.Uploads {
		req := api.PartsRequest{UploadToken: begun.UploadToken, Stream: u.Name, Parts: []holdfast.Part{{Number: 1, Size: size, Sum: sum("part")}}}
		got := answer[api.PartsResponse](w.t, w.call(who, "POST", idPath(api.PathParts, begun.ID), req), http.StatusOK)
		vault.send(w.t, got.Requests)
	}
}

// manifest fits what upload sends.
func (w *world) manifest(host, job string, begun begun, size int64) holdfast.Manifest {
	m := holdfast.Manifest{
		Format: holdfast.ManifestFormat, Ref: holdfast.Ref{Host: host, Job: job, ID: begun.ID},
		Started: begun.ID.Time(), HostStarted: w.clock, HostFinished: w.clock, Pusher: "test",
	}
	for _, u := range begun.Uploads {
		m.Streams = append(m.Streams, holdfast.Stream{
			Name: u.Name, File: u.Name + ".sql.zst.age", PlainFile: u.Name + ".sql",
			PlainSize: 2 * size, PlainSHA256: sum("plain"), StoredSize: size, StoredSHA256: sum("stored"),
			Compression: "zstd", Encryption: holdfast.Encryption{Format: "age"},
			Checksum: holdfast.ChecksumSHA256, Parts: []holdfast.Part{{Number: 1, Size: size, Sum: sum("part")}},
		})
	}
	return m
}

func (w *world) signed(who string, m holdfast.Manifest) []byte {
	w.t.Helper()
	doc, err := token.SignManifest(keyOf(who), m)
	if err != nil {
		w.t.Fatal(err)
	}
	return doc
}

func (w *world) commit(who string, begun begun, doc []byte) *httptest.ResponseRecorder {
	w.t.Helper()
	return w.call(who, "POST", idPath(api.PathCommit, begun.ID), api.CommitRequest{UploadToken: begun.UploadToken, Manifest: doc})
}

// backup makes a whole backup of 20 bytes.
func (w *world) backup(host, job string, vault *fakeVault) holdfast.Ref {
	w.t.Helper()
	begun := w.start(host, job)
	w.upload(host, vault, begun, 20)
	return answer[api.CommitResponse](w.t, w.commit(host, begun, w.signed(host, w.manifest(host, job, begun, 20))), http.StatusOK).Ref
}
