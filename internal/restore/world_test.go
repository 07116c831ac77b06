package restore

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
	"github.com/holdfast-backup/holdfast/internal/stream"
	"github.com/holdfast-backup/holdfast/internal/token"
)

// world is a host's key, who its backups are encrypted to, and a vault with
// backups in it.
type world struct {
	t          testing.TB
	key        ed25519.PrivateKey
	identity   *age.X25519Identity
	recipients stream.Recipients
	identities stream.Identities
	vault      *mapVault
	warnings   []string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	recipients, err := stream.ParseRecipients([]string{identity.Recipient().String()})
	if err != nil {
		t.Fatal(err)
	}
	return &world{
		t: t, key: key, identity: identity, recipients: recipients, identities: stream.Identities{Age: []age.Identity{identity}},
		vault: &mapVault{objects: map[string][]byte{}},
	}
}

func (w *world) public() ed25519.PublicKey { return w.key.Public().(ed25519.PublicKey) }

// plain is one stream to be backed up.
type plain struct {
	name, file string
	facts      holdfast.Facts
	data       []byte
	open       bool // not encrypted
}

var testRef = holdfast.Ref{Host: "web1", Job: "crm", ID: "20251028T140000Z-9f3c2a7d"}

// backup stores a backup of the streams and returns where it is.
func (w *world) backup(ref holdfast.Ref, streams ...plain) holdfast.Manifest {
	w.t.Helper()
	m := holdfast.Manifest{Format: holdfast.ManifestFormat, Ref: ref, Started: ref.ID.Time(), Restore: []string{"by hand"}}
	for _, p := range streams {
		var stored bytes.Buffer
		o := stream.Options{Compression: stream.Zstd}
		if !p.open {
			o.Recipients = w.recipients
		}
		enc, err := stream.NewEncoder(&stored, o)
		if err == nil {
			_, err = enc.Write(p.data)
		}
		if err == nil {
			err = enc.Close()
		}
		if err != nil {
			w.t.Fatal(err)
		}
		sums := enc.Sums()
		s := holdfast.Stream{
			Name: p.name, File: p.file + o.Extension(), PlainFile: p.file, Source: p.facts,
			PlainSize: sums.PlainSize, PlainSHA256: sums.PlainSHA256,
			StoredSize: sums.StoredSize, StoredSHA256: sums.StoredSHA256,
			Compression: stream.Zstd, Encryption: o.Recipients.Encryption(), Checksum: holdfast.ChecksumSHA256,
		}
		s.Parts = parts(stored.Bytes())
		m.Streams = append(m.Streams, s)
		w.vault.objects[ref.Key(s.File)] = stored.Bytes()
	}
	w.commit(ref, m)
	return m
}

// commit signs the manifest and stores it under ref.
func (w *world) commit(ref holdfast.Ref, m holdfast.Manifest) {
	w.t.Helper()
	doc, err := token.SignManifest(w.key, m)
	if err != nil {
		w.t.Fatal(err)
	}
	w.vault.objects[ref.ManifestKey()] = doc
}

func parts(stored []byte) []holdfast.Part {
	var all []holdfast.Part
	for n := 1; len(stored) > 0; n++ {
		size := min(int64(len(stored)), holdfast.MinPartSize)
		sum := sha256.Sum256(stored[:size])
		all = append(all, holdfast.Part{Number: n, Size: size, Sum: hex.EncodeToString(sum[:])})
		stored = stored[size:]
	}
	return all
}

// direct returns a Fetcher of small windows that does not wait between attempts.
func (w *world) direct(ref holdfast.Ref) Fetcher {
	f := Direct(w.vault, ref, w.public()).(*direct)
	f.transfer = testTransfer
	return f
}

var testTransfer = transfer{window: 64 << 10, parallel: 4, failures: 4, stall: time.Minute,
	wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}

func (w *world) options() Options {
	return Options{Identities: w.identities, Warn: func(text string) { w.warnings = append(w.warnings, text) }}
}

func (w *world) open(ref holdfast.Ref) *Backup {
	w.t.Helper()
	b, err := Open(w.t.Context(), w.direct(ref), w.options())
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// mapVault is a holdfast.Reader over a map, with faults.
type mapVault struct {
	objects map[string][]byte
	// opened, if set, sees every Open and may replace what it returns.
	opened func(key string, offset, n int64, r io.ReadCloser) (io.ReadCloser, error)
}

func (v *mapVault) Open(ctx context.Context, key string, offset, n int64) (io.ReadCloser, error) {
	body, ok := v.objects[key]
	if !ok {
		return nil, fmt.Errorf("open %q: %w", key, holdfast.ErrNotExist)
	}
	body = body[min(offset, int64(len(body))):]
	if n >= 0 {
		body = body[:min(n, int64(len(body)))]
	}
	r := io.NopCloser(bytes.NewReader(body))
	if v.opened != nil {
		return v.opened(key, offset, n, r)
	}
	return r, nil
}

// site serves a vault over HTTP as a signed store does, and is its broker.
type site struct {
	*httptest.Server
	world *world
	// serve, if set, may answer a download itself.
	serve func(w http.ResponseWriter, r *http.Request) bool

	mu     sync.Mutex
	secret int // in every signed URL; another one has expired
	asked  int // calls of Downloads
	ranges []string
}

func newSite(w *world) *site {
	s := &site{world: w, secret: 1}
	s.Server = httptest.NewServer(http.HandlerFunc(s.handle))
	w.t.(interface{ Cleanup(func()) }).Cleanup(s.Close)
	return s
}

func (s *site) handle(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	valid := r.URL.Query().Get("signature") == fmt.Sprint(s.secret) && (r.Header.Get("X-Signed") == "yes" || r.URL.Query().Get("open") == "yes")
	s.ranges = append(s.ranges, r.Header.Get("Range"))
	s.mu.Unlock()
	if !valid {
		http.Error(w, "Request has expired", http.StatusForbidden)
		return
	}
	if s.serve != nil && s.serve(w, r) {
		return
	}
	body, ok := s.world.vault.objects[strings.TrimPrefix(r.URL.Path, "/")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

func (s *site) Downloads(_ context.Context, ref holdfast.Ref) (api.DownloadResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	sign := func(key string) holdfast.Request {
		return holdfast.Request{Method: "GET", URL: fmt.Sprintf("%s/%s?signature=%d", s.URL, key, s.secret), Header: map[string]string{"X-Signed": "yes"}}
	}
	answer := api.DownloadResponse{
		Manifest: sign(ref.ManifestKey()), Streams: map[string]holdfast.Request{},
		HostKeys: []string{holdfast.FormatPublicKey(s.world.public())},
	}
	for key := range s.world.vault.objects {
		if r, file, ok := holdfast.ParseKey(key); ok && r == ref && file != holdfast.ManifestFile {
			answer.Streams[file] = sign(key)
		}
	}
	return answer, nil
}

// signed returns a Fetcher of small windows that does not wait between attempts.
func (s *site) signed(ref holdfast.Ref) Fetcher {
	f := Signed(s, ref, s.Client()).(*signed)
	f.transfer = testTransfer
	return f
}

// failAfter breaks every range from offset limit on.
func failAfter(limit int64) func(string, int64, int64, io.ReadCloser) (io.ReadCloser, error) {
	return skipManifest(func(_ string, offset, _ int64, r io.ReadCloser) (io.ReadCloser, error) {
		if offset >= limit {
			return nil, errors.New("network is unreachable")
		}
		return r, nil
	})
}

// plainURL returns a URL of the object that needs no header, like a ticket's.
func (s *site) plainURL(key string) string {
	return fmt.Sprintf("%s/%s?signature=%d&open=yes", s.URL, key, s.secret)
}
