package test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// attackedB2 is attackedBucket on the stand-in of Backblaze B2.
func attackedB2(t *testing.T) (s *site, a *attacker, own, other pushed, p openPart) {
	t.Helper()
	s, a, own, other = attacked(t, newB2Site)
	p = openPart{content: []byte("insert into t values (3);\n"), name: s.bucket.name + "/acme"}
	p.pushed = a.announce("crm", p.content)
	p.pushed.url = a.sign(p.pushed, p.part)
	var err error
	p.url, err = url.Parse(p.pushed.url.URL)
	must(t, err)
	return s, a, own, other, p
}

// turnedAway sends a request that must be refused. That nothing came of it is looked
// at once, after all of them.
func (a *attacker) turnedAway(r *http.Request) {
	a.t.Helper()
	if got := a.fire(r); got.status < 400 || got.status > 501 || got.status == 500 {
		a.t.Errorf("status: got %d, want a refusal\n%s", got.status, got.body)
	}
}

func TestB2PartIsExactlyWhatWasSigned(t *testing.T) {
	s, a, own, other, p := attackedB2(t)
	before := s.bucket.everything()
	if got, want := p.url.Query().Get("X-Amz-SignedHeaders"), "content-length;content-md5;host"; got != want {
		t.Errorf("signed headers: got %s, want %s", got, want)
	}
	attempts := append(append(unsignedHeaders(p, own, other), otherBytes(p)...), otherURLs(p, own, other)...)
	for _, c := range attempts {
		t.Run(c.name, func(t *testing.T) { a.in(t).turnedAway(p.request(t, c.change)) })
	}
	s.bucket.same(t, before)
	s.restores("crm")
	s.restores("media")
	// What was signed is taken, as often as it is sent, and commits.
	p.sent(a.must(a.fire(p.request(t, nil)), 200))
	p.sent(a.must(a.fire(p.request(t, nil)), 200))
	a.must(a.finish(p.pushed), 200)
	s.committed("crm", 2)
	// Then it is over.
	before = s.bucket.everything()
	for range 2 {
		a.turnedAway(p.request(t, nil))
	}
	a.must(a.finish(p.pushed), 200, 201)
	s.bucket.same(t, before)
	s.committed("crm", 2)
}

func TestB2SignatureIsGoodForNoOtherCall(t *testing.T) {
	s, a, own, other, p := attackedB2(t)
	before := s.bucket.everything()
	upload := "uploadId=" + p.url.Query().Get("uploadId")
	victim, manifest, bucket := p.key(other.ref.Key("media.sql")), p.key(own.ref.ManifestKey()), "/"+s.bucket.name
	finish := `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"x"</ETag></Part></CompleteMultipartUpload>`
	remove := `<Delete><Object><Key>acme/` + other.ref.Key("media.sql") + `</Key></Object></Delete>`
	for _, c := range []struct{ method, path, query, body string }{
		{"GET", p.own(), "", ""}, {"HEAD", p.own(), "", ""}, {"DELETE", p.own(), "", ""}, {"PUT", p.own(), "", "evil"},
		{"PUT", manifest, "", "evil"}, {"DELETE", manifest, "", ""}, {"GET", manifest, "", ""},
		{"PUT", victim, "", "evil"}, {"GET", victim, "", ""}, {"DELETE", victim, "", ""}, {"DELETE", victim, "versionId=null", ""},
		{"POST", victim, "uploads", ""}, {"POST", p.own(), upload, finish}, {"DELETE", p.own(), upload, ""}, {"GET", p.own(), upload, ""},
		{"PUT", p.own(), upload + "&partNumber=2", "evil"}, {"PUT", victim, "retention", "<Retention/>"}, {"PUT", victim, "legal-hold", "<LegalHold/>"},
		{"GET", bucket, "list-type=2", ""}, {"GET", bucket, "versions", ""}, {"GET", bucket, "uploads", ""}, {"POST", bucket, "delete", remove},
		{"GET", "/", "", ""}, {"PUT", bucket, "lifecycle", ""}, {"DELETE", bucket, "", ""}, {"PUT", bucket, "acl", ""},
		// B2's own API, which lies at another address.
		{"GET", "/b2api/v3/b2_authorize_account", "", ""}, {"POST", "/b2api/v3/b2_list_file_versions", "", "{}"},
		{"POST", "/b2api/v3/b2_delete_file_version", "", "{}"}, {"POST", "/b2api/v3/b2_hide_file", "", "{}"}, {"POST", "/b2api/v3/b2_create_key", "", "{}"},
		{"GET", "/file/" + s.bucket.name + "/acme/" + other.ref.Key("media.sql"), "", ""},
	} {
		for as, dress := range map[string]func(r *http.Request){
			"anonymous":        func(*http.Request) {},
			"part's query":     func(r *http.Request) { r.URL.RawQuery = strings.Trim(c.query+"&"+p.url.RawQuery, "&") },
			"part's as header": authorization(p),
			"upload token":     header("Authorization", p.start.UploadToken),
		} {
			t.Run(c.method+" "+p.plain(c.path, other)+" "+p.plain(c.query, other)+" "+as, func(t *testing.T) {
				r, err := http.NewRequestWithContext(t.Context(), c.method, "http://"+p.url.Host+c.path+"?"+c.query, strings.NewReader(c.body))
				must(t, err)
				dress(r)
				a.in(t).turnedAway(r)
			})
		}
	}
	s.bucket.same(t, before)
	s.restores("crm")
	s.restores("media")
}
