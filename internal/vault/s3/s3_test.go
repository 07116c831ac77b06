package s3

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// gateway is what versitygw can do: all that AWS can.
func gateway(t testing.TB) Store { return preset(t, "aws") }

// preset returns the store of that name, addressed by path, as versitygw is.
func preset(t testing.TB, name string) Store {
	t.Helper()
	store, err := Preset(name)
	if err != nil {
		t.Fatal(err)
	}
	store.PathStyle = true
	return store
}

// newVault returns a vault in a bucket of the server.
func newVault(t testing.TB, server testenv.S3Server, bucket string, change func(o *Options)) *Vault {
	t.Helper()
	o := Options{
		Bucket: bucket, Region: server.Region, Endpoint: server.URL, Store: gateway(t),
		Credentials: credentials.NewStaticCredentialsProvider(server.AccessKey, server.SecretKey, ""),
	}
	if change != nil {
		change(&o)
	}
	v, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// wire is a transport that notes what it sends, and may answer in the server's
// place.
type wire struct {
	mu    sync.Mutex
	calls []string
	// answer, if set, is asked first; nil means that the server is.
	answer func(op string, r *http.Request) (*http.Response, error)
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	op := operation(r)
	w.mu.Lock()
	w.calls = append(w.calls, op)
	w.mu.Unlock()
	if w.answer != nil {
		if resp, err := w.answer(op, r); resp != nil || err != nil {
			return resp, err
		}
	}
	return http.DefaultTransport.RoundTrip(r)
}

// sent returns the operations sent so far and forgets them.
func (w *wire) sent() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer func() { w.calls = nil }()
	return w.calls
}

// operation returns S3's name for what a request asks.
func operation(r *http.Request) string {
	q := r.URL.Query()
	for _, c := range []struct{ method, param, name string }{
		{"GET", "list-type", "ListObjectsV2"}, {"GET", "versions", "ListObjectVersions"}, {"GET", "uploads", "ListMultipartUploads"},
		{"GET", "uploadId", "ListParts"}, {"GET", "retention", "GetObjectRetention"}, {"GET", "legal-hold", "GetObjectLegalHold"},
		{"GET", "versioning", "GetBucketVersioning"}, {"GET", "object-lock", "GetObjectLockConfiguration"},
		{"GET", "publicAccessBlock", "GetPublicAccessBlock"},
		{"POST", "delete", "DeleteObjects"}, {"POST", "uploads", "CreateMultipartUpload"}, {"POST", "uploadId", "CompleteMultipartUpload"},
		{"DELETE", "uploadId", "AbortMultipartUpload"}, {"PUT", "partNumber", "UploadPart"},
		{"PUT", "", "PutObject"}, {"GET", "", "GetObject"}, {"DELETE", "", "DeleteObject"}, {"HEAD", "", "HeadObject"},
	} {
		if r.Method == c.method && (c.param == "" || q.Has(c.param)) {
			return c.name
		}
	}
	return r.Method + " " + r.URL.String()
}

// says is an answer of a store.
func says(r *http.Request, status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/xml"}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
}

// fails is the answer with an error of that code.
func fails(r *http.Request, status int, code string) *http.Response {
	return says(r, status, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>`+code+`</Code><Message>as told</Message></Error>`)
}

// part describes body as part n for the vault.
func part(v *Vault, n int, body []byte) holdfast.Part {
	p := holdfast.Part{Number: n, Size: int64(len(body))}
	if v.store.Checksum == holdfast.ChecksumMD5 {
		sum := md5.Sum(body)
		p.Sum = hex.EncodeToString(sum[:])
		return p
	}
	sum := sha256.Sum256(body)
	p.Sum = hex.EncodeToString(sum[:])
	return p
}

// send sends body with a signed request and returns the answer's status, S3's
// code for an error, and the ETag.
func send(t testing.TB, r holdfast.Request, body []byte, change func(*http.Request)) (status int, code, etag string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), r.Method, r.URL, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range r.Header {
		req.Header.Set(name, value)
	}
	if change != nil {
		change(req)
	}
	// A refused body may leave the connection in disorder.
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "<Code>")
	code, _, _ = strings.Cut(rest, "</Code>")
	return resp.StatusCode, code, resp.Header.Get("ETag")
}

// begin starts an upload of key and sends body as its only part.
func begin(t testing.TB, v *Vault, key string, body []byte) (holdfast.Upload, []holdfast.Part) {
	t.Helper()
	u, err := v.StartUpload(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	p := part(v, 1, body)
	r, err := v.SignPart(t.Context(), u, p, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	status, code, etag := send(t, r, body, nil)
	if status != http.StatusOK {
		t.Fatalf("send a part: status %d %s", status, code)
	}
	p.ETag = etag
	return u, []holdfast.Part{p}
}

// put stores objects, each with its key as its body.
func put(t testing.TB, v *Vault, keys ...string) {
	t.Helper()
	for _, key := range keys {
		if err := v.Put(t.Context(), key, []byte(key)); err != nil {
			t.Fatal(err)
		}
	}
}

// keys returns what List shows.
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

// wants fails the test unless err is want, or nil.
func wants(t testing.TB, doing string, err, want error) {
	t.Helper()
	if want == nil && err != nil || !errors.Is(err, want) {
		t.Errorf("%s: got error %v, want %v", doing, err, want)
	}
}
