package test

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast/internal/api"
)

func TestAPartsURLIsGoodForItsUploadAlone(t *testing.T) {
	s, a, _, _, p := attackedBucket(t, "aws")
	second := a.announce("crm", p.content)
	secondURL, err := url.Parse(a.sign(second, second.part).URL)
	must(t, err)
	t.Run("another upload of the same host", func(t *testing.T) {
		a, before := a.in(t), s.bucket.everything()
		a.refused(p.request(t, query("uploadId", secondURL.Query().Get("uploadId"))), before)
		a.refused(p.request(t, to(secondURL.EscapedPath())), before)
		a.refused(p.request(t, all(to(secondURL.EscapedPath()), query("uploadId", secondURL.Query().Get("uploadId")))), before)
	})
	t.Run("sent twice it is one part", func(t *testing.T) {
		a := a.in(t)
		a.must(a.fire(p.request(t, nil)), 200)
		before := s.bucket.everything()
		p.sent(a.must(a.fire(p.request(t, nil)), 200))
		s.bucket.same(t, before)
	})
	t.Run("after the commit", func(t *testing.T) {
		a := a.in(t)
		a.must(a.finish(p.pushed), 200)
		before := s.bucket.everything()
		a.refused(p.request(t, nil), before)
		again := p
		again.pushed.url = a.sign(p.pushed, p.part) // still signed, since no state says that it should not be
		a.refused(again.request(t, nil), before)
	})
	t.Run("after an abort", func(t *testing.T) {
		a := a.in(t)
		gone := p
		gone.pushed = second
		gone.pushed.url = a.sign(second, second.part)
		a.must(a.fire(gone.request(t, nil)), 200)
		a.must(a.call("POST", "/v1/backups/"+string(second.ref.ID)+"/abort", api.AbortRequest{UploadToken: second.start.UploadToken}, nil), 204)
		before := s.bucket.everything()
		a.refused(gone.request(t, nil), before)
		a.must(a.finish(second), 404, 422)
		s.bucket.same(t, before)
	})
	s.committed("crm", 2)
	s.swept()
}

func TestAPartsURLEndsWithItsTime(t *testing.T) {
	s := newS3Site(t, "  crm: {}\n")
	h := s.addHost("web1", []string{"crm"}, random("crm", "1M", ""))
	c := newClock(t, 0)
	s.serve(strings.TrimPrefix(s.url, "http://"), "skewed/holdfast", c.env())
	a, content := newAttacker(h), []byte("insert into t values (1);\n")
	p := openPart{pushed: a.announce("crm", content), content: content}
	// The server's clock goes back, so that what it signs now has seconds left.
	a.clock = -15*time.Minute + 3*time.Second
	c.set(a.clock)
	p.pushed.url = a.sign(p.pushed, p.part)
	p.sent(a.must(a.fire(p.request(t, nil)), 200))
	var got answer
	waitFor(t, "the URL to end", func() bool {
		got = a.fire(p.request(t, nil))
		return got.status != 200
	})
	var problem struct{ Code string }
	must(t, xml.Unmarshal([]byte(got.body), &problem))
	if got.status != http.StatusForbidden || problem.Code != "AccessDenied" {
		t.Errorf("got %d %s, want 403 AccessDenied", got.status, got.body)
	}
	before := s.bucket.everything()
	a.refused(p.request(t, query("X-Amz-Expires", "604800")), before)
	a.refused(p.request(t, query("X-Amz-Date", time.Now().UTC().Format("20060102T150405Z"))), before)
	a.must(a.finish(p.pushed), 200) // what was sent in time is good
	s.committed("crm", 1)
}
