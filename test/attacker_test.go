package test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
	"github.com/holdfast-backup/holdfast/internal/token"
)

// attacker has everything that is on a host, and speaks to the running server
// as no pusher would.
type attacker struct {
	t     *testing.T
	site  *site
	host  string
	key   ed25519.PrivateKey
	clock time.Duration // how far it is ahead
}

func newAttacker(h *host) *attacker {
	h.site.t.Helper()
	key, err := token.LoadPrivateKey(h.key)
	if err != nil {
		h.site.t.Fatal(err)
	}
	return &attacker{t: h.site.t, site: h.site, host: h.name, key: key}
}

// claims are those of a request token, to be forged.
type claims map[string]any

// token returns a request token for a call, after forge has had its way with it.
func (a *attacker) token(method, path string, body []byte, forge func(header, claims claims)) string {
	a.t.Helper()
	now := time.Now().Add(a.clock)
	sum := sha256.Sum256(body)
	header := claims{"alg": "EdDSA", "typ": "holdfast-request+jwt", "kid": holdfast.KeyID(a.key.Public().(ed25519.PublicKey))}
	payload := claims{
		"iss": a.host, "aud": a.site.url, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
		"jti": randomID(a.t), "htm": method, "htu": path, "bsh": base64.RawURLEncoding.EncodeToString(sum[:]),
	}
	if forge != nil {
		forge(header, payload)
	}
	signing := encodePart(a.t, header) + "." + encodePart(a.t, payload)
	switch header["alg"] {
	case "none":
		return signing + "."
	case "HS256": // the public key as an HMAC secret
		sig, err := jwt.SigningMethodHS256.Sign(signing, []byte(a.key.Public().(ed25519.PublicKey)))
		if err != nil {
			a.t.Fatal(err)
		}
		return signing + "." + base64.RawURLEncoding.EncodeToString(sig)
	}
	return signing + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(a.key, []byte(signing)))
}

func encodePart(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// answer is what the server said.
type answer struct {
	status int
	body   string
	header http.Header
}

// call makes a call of the broker with a token of its own.
func (a *attacker) call(method, path string, body any, forge func(header, claims claims)) answer {
	a.t.Helper()
	text := marshal(a.t, body)
	return a.send(method, path, text, a.token(method, path, text, forge))
}

// send sends exactly this.
func (a *attacker) send(method, path string, body []byte, bearer string) answer {
	a.t.Helper()
	header := http.Header{"Content-Type": {"application/json"}}
	if bearer != "" {
		header.Set("Authorization", "Bearer "+bearer)
	}
	return a.raw(method, a.site.url+path, body, header)
}

func (a *attacker) raw(method, url string, body []byte, header http.Header) answer {
	a.t.Helper()
	request, err := http.NewRequestWithContext(a.t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	request.Header = header
	if request.Header == nil {
		request.Header = http.Header{}
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		a.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		a.t.Fatal(err)
	}
	return answer{response.StatusCode, string(text), response.Header}
}

// started is what the broker answers to the start of a job with one vault.
type started struct {
	api.StartResponse
	api.VaultUpload
}

// started returns what begins in the one vault of a job.
func (a *attacker) started(got answer) started {
	a.t.Helper()
	var s started
	a.must(got, 200, 201).into(a.t, &s.StartResponse)
	if len(s.Vaults) != 1 || len(s.Unavailable) > 0 || len(s.Direct) > 0 {
		a.t.Fatalf("started in %+v, want one vault", s.StartResponse)
	}
	s.VaultUpload = s.Vaults[0]
	return s
}

// pushed is everything that a host sees of a backup while it makes it.
type pushed struct {
	start  started
	part   holdfast.Part
	url    holdfast.Request // signed, for the part
	commit api.CommitRequest
	ref    holdfast.Ref
}

// in returns the attacker for a subtest.
func (a *attacker) in(t *testing.T) *attacker {
	in := *a
	in.t = t
	return &in
}

// begin starts a backup of one stream, unencrypted, and sends its one part.
func (a *attacker) begin(job string, content []byte) pushed {
	a.t.Helper()
	p := a.announce(job, content)
	p.url = a.sign(p, p.part)
	p.sent(a.must(a.put(p.url, content), 200))
	return p
}

// sent notes what the store said of the part, which the commit has to name.
func (p *pushed) sent(stored answer) {
	if stored.header.Get("ETag") == "" {
		return // this store goes by the checksum alone
	}
	p.commit.ETags = map[string][]string{p.ref.Job: {stored.header.Get("ETag")}}
}

// partOf returns the part with that number and content.
func (p pushed) partOf(number int, content []byte) holdfast.Part {
	sum := sha256.New()
	if p.start.Uploads[0].Checksum == holdfast.ChecksumMD5 {
		sum = md5.New()
	}
	sum.Write(content)
	return holdfast.Part{Number: number, Size: int64(len(content)), Sum: hex.EncodeToString(sum.Sum(nil))}
}

// announce starts a backup and sends nothing of it.
func (a *attacker) announce(job string, content []byte) pushed {
	a.t.Helper()
	var p pushed
	p.start = a.started(a.call("POST", api.PathStart, api.StartRequest{Job: job, Streams: []api.StartStream{{Name: job, File: job + ".sql"}}}, nil))
	p.ref = holdfast.Ref{Host: a.host, Job: job, ID: p.start.ID}
	p.part = p.partOf(1, content)
	p.commit = api.CommitRequest{UploadToken: p.start.UploadToken, Manifest: a.manifest(p, content)}
	return p
}

// sign asks for the signature of a part.
func (a *attacker) sign(p pushed, part holdfast.Part) holdfast.Request {
	a.t.Helper()
	var signed api.PartsResponse
	path := "/v1/backups/" + string(p.ref.ID) + "/parts"
	a.must(a.call("POST", path, api.PartsRequest{UploadToken: p.start.UploadToken, Stream: p.ref.Job, Parts: []holdfast.Part{part}}, nil), 200).into(a.t, &signed)
	return signed.Requests[0]
}

func (a *attacker) put(r holdfast.Request, content []byte) answer {
	a.t.Helper()
	header := http.Header{}
	for k, v := range r.Header {
		header.Set(k, v)
	}
	return a.raw(r.Method, r.URL, content, header)
}

// finish commits.
func (a *attacker) finish(p pushed) answer {
	a.t.Helper()
	return a.call("POST", "/v1/backups/"+string(p.ref.ID)+"/commit", p.commit, nil)
}

// manifest returns a signed manifest for content.
func (a *attacker) manifest(p pushed, content []byte) []byte {
	a.t.Helper()
	sum := sha256.Sum256(content)
	text := hex.EncodeToString(sum[:])
	signed, err := token.SignManifest(a.key, holdfast.Manifest{
		Format: holdfast.ManifestFormat, Ref: p.ref, Started: p.ref.ID.Time(), Pusher: "attacker",
		Streams: []holdfast.Stream{{
			Name: p.ref.Job, File: p.ref.Job + ".sql", PlainFile: p.ref.Job + ".sql",
			PlainSize: int64(len(content)), PlainSHA256: text, StoredSize: int64(len(content)), StoredSHA256: text,
			Compression: "none", Encryption: holdfast.Encryption{Format: "none"}, Checksum: p.start.Uploads[0].Checksum,
			Parts: []holdfast.Part{p.part}, Source: holdfast.Facts{Kind: "stdin"},
		}},
		Restore: []string{"it is plain SQL"},
	})
	if err != nil {
		a.t.Fatal(err)
	}
	return signed
}

// must fails the test unless the status is one of those.
func (a *attacker) must(got answer, statuses ...int) answer {
	a.t.Helper()
	for _, s := range statuses {
		if got.status == s {
			return got
		}
	}
	a.t.Fatalf("status: got %d, want one of %v\n%s\nserver: %s", got.status, statuses, got.body, a.site.log.tail())
	return got
}

func (got answer) into(t *testing.T, v any) {
	t.Helper()
	decode(t, got.body, v)
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	switch v := v.(type) {
	case nil:
		return nil
	case []byte:
		return v
	case string:
		return []byte(v)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func randomID(t *testing.T) string {
	t.Helper()
	b := make([]byte, 16)
	f, err := os.Open("/dev/urandom")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.ReadFull(f, b); err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// stored returns the hash of every object in the vault, by path.
func (s *site) stored() map[string]string {
	s.t.Helper()
	if s.bucket != nil {
		return s.bucket.stored()
	}
	all := map[string]string{}
	root := filepath.Join(s.vault, "backups")
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		sum := sha256.Sum256([]byte(read(s.t, path)))
		all[strings.TrimPrefix(path, root)] = hex.EncodeToString(sum[:])
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}

// unchanged fails the test unless every object that was stored is still there as
// it was, and nothing was added outside the attacker's own job.
func (s *site) unchanged(before map[string]string, own string) {
	s.t.Helper()
	now := s.stored()
	for path, sum := range before {
		if now[path] != sum {
			s.t.Errorf("%s was changed or is gone", path)
		}
	}
	for path := range maps.Keys(now) {
		if _, old := before[path]; !old && !strings.HasPrefix(path, own) {
			s.t.Errorf("%s was added", path)
		}
	}
}
