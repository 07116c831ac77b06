package test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
)

// openPart is a part that was signed and not sent yet, of an upload of web1.
type openPart struct {
	pushed
	content []byte
	url     *url.URL
	name    string // of the bucket
}

// key returns the path of a key in the bucket.
func (p openPart) key(key string) string { return "/" + p.name + "/" + key }

// own is the path of the object that the part is for.
func (p openPart) own() string { return p.key(p.ref.Key(p.ref.Job + ".sql")) }

// plain returns a path without the ids in it, which are new in each run.
func (p openPart) plain(path string, others ...pushed) string {
	replace := []string{p.name, "bucket", string(p.ref.ID), "id", p.url.Query().Get("uploadId"), "upload"}
	for _, other := range others {
		replace = append(replace, string(other.ref.ID), "its-id")
	}
	return strings.NewReplacer(replace...).Replace(path)
}

// attackedBucket is attackedSite with a bucket, and a part of mallory's to play with.
func attackedBucket(t *testing.T, store string) (s *site, a *attacker, own, other pushed, p openPart) {
	t.Helper()
	s, a, own, other = attacked(t, func(t *testing.T, jobs string) *site { return newStoreSite(t, store, jobs) })
	p = openPart{content: []byte("insert into t values (3);\n"), name: s.bucket.name}
	p.pushed = a.announce("crm", p.content)
	p.pushed.url = a.sign(p.pushed, p.part)
	var err error
	p.url, err = url.Parse(p.pushed.url.URL)
	must(t, err)
	return s, a, own, other, p
}

// request returns the signed request for the part, after change has had its way.
func (p openPart) request(t *testing.T, change func(r *http.Request)) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), p.pushed.url.Method, p.pushed.url.URL, bytes.NewReader(p.content))
	must(t, err)
	for name, value := range p.pushed.url.Header {
		r.Header.Set(name, value)
	}
	if change != nil {
		change(r)
	}
	return r
}

// fire sends a request just as it is, on a connection of its own. A store that
// refuses and closes while it is still sent to may take its answer with it, which
// says nothing: then it is asked again.
func (a *attacker) fire(r *http.Request) answer {
	a.t.Helper()
	var body []byte
	if r.Body != nil {
		var err error
		body, err = io.ReadAll(r.Body)
		must(a.t, err)
	}
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	for try := 1; ; try++ {
		if r.Body != nil {
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		got, err := transport.RoundTrip(r)
		lost := errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || err == nil && got.StatusCode == http.StatusBadGateway
		if lost && try < 20 {
			continue
		}
		if err != nil {
			a.t.Fatal(err)
		}
		defer got.Body.Close()
		text, err := io.ReadAll(io.LimitReader(got.Body, 1<<20))
		must(a.t, err)
		return answer{got.StatusCode, string(text), got.Header}
	}
}

// refused sends a request that must be refused, and proves that nothing came of it.
func (a *attacker) refused(r *http.Request, before map[string]string) {
	a.t.Helper()
	if got := a.fire(r); got.status < 400 || got.status >= 500 {
		a.t.Errorf("status: got %d, want a refusal\n%s", got.status, got.body)
	}
	a.site.bucket.same(a.t, before)
}

func TestAPartInABucketIsExactlyWhatWasSigned(t *testing.T) {
	for _, store := range []string{"aws", "other"} { // bound by SHA-256, and by MD5
		t.Run(store, func(t *testing.T) {
			s, a, own, other, p := attackedBucket(t, store)
			// The server stands still meanwhile: what changes is the attacker's doing, and not
			// that of its own rounds.
			must(t, s.server.Process.Signal(syscall.SIGSTOP))
			before := s.bucket.everything()
			// The length too, so that what does not fit is refused before it is sent.
			sum := map[string]string{"aws": "host;x-amz-checksum-sha256", "other": "content-md5;host"}[store]
			if got, want := p.url.Query().Get("X-Amz-SignedHeaders"), "content-length;"+sum; got != want {
				t.Errorf("signed headers: got %s, want %s", got, want)
			}
			attempts := append(append(unsignedHeaders(p, own, other), otherBytes(p)...), otherURLs(p, own, other)...)
			for _, c := range attempts {
				t.Run(c.name, func(t *testing.T) { a.in(t).refused(p.request(t, c.change), before) })
			}
			must(t, s.server.Process.Signal(syscall.SIGCONT))
			s.restores("crm")
			s.restores("media")
			t.Run("and what was signed is still taken, and commits", func(t *testing.T) {
				a := a.in(t)
				p.sent(a.must(a.fire(p.request(t, nil)), 200))
				a.must(a.finish(p.pushed), 200)
				s.committed("crm", 2)
			})
		})
	}
}

// What is not signed and not refused: AWS demands the signature of host and of
// what begins with x-amz- alone ("Authenticating Requests: Using Query
// Parameters"). Nothing comes of the other headers: what an object is said to be
// was settled when its upload was started.
func TestHeadersThatNobodySignsChangeNothing(t *testing.T) {
	s, a, own, _, p := attackedBucket(t, "aws")
	before := s.bucket.everything()
	plain := s.bucket.object(own.ref.Key("crm.sql"))
	attempts := []attempt{
		// versitygw leaves a header that is not sent out of what it signs; AWS makes
		// the canonical request of the list as it is, and refuses ("Create a signed
		// AWS API request"). Sent, it is refused here too: see otherURLs.
		{"a signed header that is not sent", query("X-Amz-SignedHeaders", p.url.Query().Get("X-Amz-SignedHeaders")+";x-amz-acl")},
	}
	for _, h := range [][]string{
		{"Content-Encoding", "gzip"}, {"Content-Type", "text/html"}, {"Content-Language", "xx"}, {"Content-Disposition", "attachment; filename=evil"},
		{"Cache-Control", "max-age=1"}, {"Expires", "Thu, 01 Jan 2099 00:00:00 GMT"}, {"If-Match", "*"}, {"If-None-Match", "*"},
		{"Range", "bytes=0-0"}, {"Content-Range", "bytes 0-0/1"}, {"X-Http-Method-Override", "DELETE"}, {"X-Http-Method", "DELETE"},
		{"X-Forwarded-Host", "evil.example"}, {"X-Original-Url", p.key(own.ref.Key("crm.sql"))}, {"Origin", "https://evil.example"},
	} {
		attempts = append(attempts, attempt{h[0], header(h...)})
	}
	for _, c := range attempts {
		t.Run(c.name, func(t *testing.T) {
			a := a.in(t)
			p.sent(a.must(a.fire(p.request(t, c.change)), 200))
			now := s.bucket.everything()
			for key, sum := range before {
				if now[key] != sum && !strings.HasPrefix(key, "upload ") {
					t.Errorf("%s changed\nwas: %s\nis: %s", key, sum, now[key])
				}
			}
			if parts := s.bucket.parts(); len(parts) != 1 {
				t.Errorf("parts: got %v, want the one", parts)
			}
		})
	}
	a.must(a.finish(p.pushed), 200)
	s.committed("crm", 2)
	// Only version, ETag and hash differ from what an honest pusher makes.
	_, want, _ := strings.Cut(plain, " class ")
	if _, got, _ := strings.Cut(s.bucket.object(p.ref.Key("crm.sql")), " class "); got != want {
		t.Errorf("what is said of the object: got %s, want %s", got, want)
	}
}

func TestASignedPartIsGoodForNoOtherCall(t *testing.T) {
	s, a, own, other, p := attackedBucket(t, "aws")
	before := s.bucket.everything()
	signed := p.url.RawQuery
	upload := "uploadId=" + p.url.Query().Get("uploadId")
	victim, manifest := p.key(other.ref.Key("media.sql")), p.key(own.ref.ManifestKey())
	finish := `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"x"</ETag></Part></CompleteMultipartUpload>`
	remove := `<Delete><Object><Key>` + other.ref.Key("media.sql") + `</Key></Object></Delete>`
	for _, c := range []struct{ method, path, query, body string }{
		{"GET", p.own(), "", ""}, {"HEAD", p.own(), "", ""}, {"DELETE", p.own(), "", ""}, {"POST", p.own(), "", ""}, {"PATCH", p.own(), "", ""},
		{"PUT", p.own(), "", "evil"}, {"PUT", manifest, "", "evil"}, {"PUT", victim, "", "evil"}, {"PUT", p.key(other.ref.HoldKey()), "", "{}"},
		{"GET", victim, "", ""}, {"HEAD", victim, "", ""}, {"DELETE", victim, "", ""}, {"DELETE", victim, "versionId=null", ""}, {"GET", manifest, "", ""},
		{"DELETE", manifest, "", ""}, {"POST", p.own(), "uploads", ""}, {"POST", victim, "uploads", ""}, {"POST", p.own(), upload, finish},
		{"DELETE", p.own(), upload, ""}, {"GET", p.own(), upload, ""}, {"PUT", p.own(), upload + "&partNumber=2", "evil"},
		{"GET", p.own(), "acl", ""}, {"PUT", victim, "acl", ""}, {"PUT", victim, "tagging", "<Tagging/>"}, {"DELETE", victim, "tagging", ""},
		{"PUT", victim, "retention", "<Retention/>"}, {"PUT", victim, "legal-hold", "<LegalHold/>"}, {"POST", victim, "restore", ""}, {"GET", victim, "attributes", ""},
		{"POST", victim, "select&select-type=2", ""},
		{"GET", "/", "", ""}, {"GET", p.key(""), "", ""}, {"GET", p.key(""), "list-type=2", ""}, {"GET", p.key(""), "versions", ""}, {"GET", p.key(""), "uploads", ""},
		{"GET", p.key(""), "policy", ""}, {"PUT", p.key(""), "policy", "{}"}, {"PUT", p.key(""), "acl", ""}, {"PUT", p.key(""), "versioning", ""},
		{"PUT", p.key(""), "lifecycle", ""}, {"PUT", p.key(""), "cors", ""}, {"DELETE", p.key(""), "", ""}, {"HEAD", p.key(""), "", ""},
		{"POST", p.key(""), "delete", remove}, {"POST", p.key(""), "", "evil"}, {"PUT", "/evil-bucket", "", ""},
	} {
		for as, dress := range map[string]func(r *http.Request){
			"anonymous":        func(*http.Request) {},
			"part's query":     func(r *http.Request) { r.URL.RawQuery = strings.Trim(c.query+"&"+signed, "&") },
			"part's as header": authorization(p),
			"broker's token":   header("Authorization", "Bearer "+a.token(c.method, c.path, nil, nil)),
			"upload token":     header("Authorization", "Bearer "+p.start.UploadToken),
		} {
			t.Run(c.method+" "+p.plain(c.path, other)+" "+p.plain(c.query, other)+" "+as, func(t *testing.T) {
				r, err := http.NewRequestWithContext(t.Context(), c.method, "http://"+p.url.Host+c.path+"?"+c.query, strings.NewReader(c.body))
				must(t, err)
				dress(r)
				a.in(t).refused(r, before)
			})
		}
	}
	s.restores("crm")
	s.restores("media")
}

// authorization moves what signs the part into headers.
func authorization(p openPart) func(r *http.Request) {
	q := p.url.Query()
	return header("X-Amz-Date", q.Get("X-Amz-Date"), "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD", "Authorization", fmt.Sprintf("%s Credential=%s, SignedHeaders=%s, Signature=%s",
		q.Get("X-Amz-Algorithm"), q.Get("X-Amz-Credential"), q.Get("X-Amz-SignedHeaders"), q.Get("X-Amz-Signature")))
}
