package b2

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
)

func part(n int, body []byte) holdfast.Part {
	sum := md5.Sum(body)
	return holdfast.Part{Number: n, Size: int64(len(body)), Sum: hex.EncodeToString(sum[:])}
}

// send begins an upload and sends its parts.
func send(t testing.TB, v *Vault, key string, bodies ...[]byte) (holdfast.Upload, []holdfast.Part) {
	t.Helper()
	u, err := v.StartUpload(t.Context(), key)
	must(t, err)
	var parts []holdfast.Part
	for i, body := range bodies {
		p := part(i+1, body)
		r, err := v.SignPart(t.Context(), u, p, time.Hour)
		must(t, err)
		if status := put(t, r, body, nil); status != 200 {
			t.Fatalf("send part: status %d", status)
		}
		parts = append(parts, p)
	}
	return u, parts
}

// put sends a signed part, after change has had its way.
func put(t testing.TB, r holdfast.Request, body []byte, change func(*http.Request)) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), r.Method, r.URL, bytes.NewReader(body))
	must(t, err)
	for name, value := range r.Header {
		req.Header.Set(name, value)
	}
	if change != nil {
		change(req)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	answer, err := transport.RoundTrip(req)
	if err != nil {
		return 0 // the connection was closed on it
	}
	defer answer.Body.Close()
	return answer.StatusCode
}

func TestASignedPartIsGoodForNothingElse(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	k := s.NewKey(t, "acme/", capabilities(t, "broker")...)
	v, whole := vaultWith(t, s, k), newVault(t, s)
	must(t, v.Put(t.Context(), manifest, []byte("the manifest")))
	body := []byte("insert into t values (3);\n")
	u, err := v.StartUpload(t.Context(), data)
	must(t, err)
	r, err := v.SignPart(t.Context(), u, part(1, body), time.Hour)
	must(t, err)
	if got, _ := url.Parse(r.URL); got.Query().Get("X-Amz-SignedHeaders") != "content-length;content-md5;host" {
		t.Errorf("signed headers: %s", got.Query().Get("X-Amz-SignedHeaders"))
	}
	other := []byte("insert into t values (4);\n")
	at := func(change func(u *url.URL, q url.Values)) func(*http.Request) {
		return func(r *http.Request) {
			q := r.URL.Query()
			change(r.URL, q)
			r.URL.RawQuery = q.Encode()
		}
	}
	for name, c := range map[string]struct {
		body   []byte
		change func(*http.Request)
	}{
		"other bytes":                {other, nil},
		"other bytes with their MD5": {other, func(r *http.Request) { r.Header.Set("Content-MD5", md5Header(other)) }},
		"other bytes without MD5":    {other, func(r *http.Request) { r.Header.Del("Content-MD5") }},
		"fewer bytes":                {body[:5], nil},
		"more bytes":                 {append(body, 'x'), nil},
		"another part":               {body, at(func(_ *url.URL, q url.Values) { q.Set("partNumber", "2") })},
		"another upload":             {body, at(func(_ *url.URL, q url.Values) { q.Set("uploadId", "4_z0") })},
		"as an object of its own":    {body, at(func(_ *url.URL, q url.Values) { q.Del("partNumber"); q.Del("uploadId") })},
		"over the manifest": {body, at(func(u *url.URL, _ url.Values) {
			u.Path = strings.Replace(u.Path, "crm.sql.zst.age", "manifest.json", 1)
		})},
		"under another host":           {body, at(func(u *url.URL, _ url.Values) { u.Path = strings.Replace(u.Path, "web1", "web2", 1) })},
		"longer than it was given for": {body, at(func(_ *url.URL, q url.Values) { q.Set("X-Amz-Expires", "604800") })},
		"to read":                      {nil, func(r *http.Request) { r.Method = http.MethodGet }},
		"to delete":                    {nil, func(r *http.Request) { r.Method = http.MethodDelete }},
		"to complete":                  {body, func(r *http.Request) { r.Method = http.MethodPost }},
		"on the native API":            {body, at(func(u *url.URL, _ url.Values) { u.Path = "/b2api/v3/b2_upload_file/1" })},
	} {
		if status := put(t, r, c.body, c.change); status >= 200 && status < 300 {
			t.Errorf("%s: got status %d", name, status)
		}
	}
	if got := all(t, whole, ""); len(got) != 2 || got[0].action != actionStart || got[1].key != manifest {
		t.Errorf("the bucket has %+v", got)
	}
	p := part(1, body)
	if status := put(t, r, body, nil); status != 200 {
		t.Errorf("what was signed: got status %d", status)
	}
	must(t, v.CompleteUpload(t.Context(), u, []holdfast.Part{p}, p.Size))
	put(t, r, body, nil) // a store may say that it took it
	if got := all(t, whole, ""); len(got) != 2 || read(t, whole, data) != string(body) || read(t, whole, manifest) != "the manifest" {
		t.Errorf("after a replay the bucket has %+v", got)
	}
	before := vaultAt(t, s, k, func() time.Time { return time.Now().Add(-2 * time.Minute) })
	for ttl, expired := range map[time.Duration]bool{time.Minute: true, time.Hour: false} {
		r, err := before.SignPart(t.Context(), u, p, ttl)
		must(t, err)
		if status := put(t, r, body, nil); (status == 403) != expired {
			t.Errorf("signed two minutes ago, for %s: got status %d", ttl, status)
		}
	}
}

func md5Header(body []byte) string {
	sum := md5.Sum(body)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// TestOfManyCompletionsTheFirstStartedWins holds whether large files are sorted by
// when they were finished or started.
func TestOfManyCompletionsTheFirstStartedWins(t *testing.T) {
	t.Parallel()
	for name, started := range map[string]bool{"by the end": false, "by the start": true} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.Started = started
			v := newVault(t, s)
			const many = 6
			uploads, parts, errs := make([]holdfast.Upload, many), make([][]holdfast.Part, many), make([]error, many)
			for i := range many {
				uploads[i], parts[i] = send(t, v, data, []byte{byte('a' + i)})
			}
			wants(t, "complete the second while the first is there", v.CompleteUpload(t.Context(), uploads[1], parts[1], 1), holdfast.ErrExist)
			var wg sync.WaitGroup
			for i := range many {
				wg.Go(func() { errs[i] = v.CompleteUpload(t.Context(), uploads[i], parts[i], 1) })
			}
			wg.Wait()
			must(t, errs[0])
			for i := 2; i < many; i++ {
				wants(t, "complete a later one", errs[i], holdfast.ErrExist)
			}
			if got := read(t, v, data); got != "a" {
				t.Errorf("got %q", got)
			}
			if got := all(t, v, ""); len(got) != 1 {
				t.Errorf("left: %+v", got)
			}
		})
	}
}

func TestAnUploadDoesNotTakeAHiddenName(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	v := newVault(t, s)
	must(t, v.Put(t.Context(), data, []byte("there")))
	hide(t, v, data)
	u, parts := send(t, v, data, []byte("late"))
	wants(t, "complete", v.CompleteUpload(t.Context(), u, parts, 4), holdfast.ErrExist)
	if got := read(t, v, data); got != "there" {
		t.Errorf("got %q", got)
	}
}

func TestUnfinishedLargeFilesOfBothKindsAreSwept(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	v, broker := newVault(t, s), newVault(t, s, capabilities(t, "broker")...)
	u, _ := send(t, v, data, []byte("over S3"))
	var native string
	must(t, v.do(t.Context(), call{"b2_start_large_file", "writeFiles"}, func(ctx context.Context, s *session) error {
		l, err := s.bucket.StartLargeFile(ctx, v.prefix+"backups/web1/media/x", "application/octet-stream", nil)
		if err == nil {
			native = l.ID
		}
		return err
	}))
	must(t, v.Put(t.Context(), manifest, []byte("{}")))
	var found []holdfast.Upload
	for one, err := range broker.ListUploads(t.Context(), "backups/") {
		must(t, err)
		if one.Started.IsZero() || one.Started.Location() != time.UTC {
			t.Errorf("started %v", one.Started)
		}
		found = append(found, one)
	}
	if len(found) != 2 || found[0].ID != u.ID || found[1].ID != native {
		t.Fatalf("got %+v, want %q and %q", found, u.ID, native)
	}
	for _, one := range found {
		must(t, broker.AbortUpload(t.Context(), one))
		must(t, broker.AbortUpload(t.Context(), one))
	}
	if got := all(t, v, ""); len(got) != 1 || got[0].key != manifest {
		t.Errorf("left: %+v", got)
	}
}
