package test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

// attackedSite has two hosts with a committed backup each; web1 is taken over.
func attackedSite(t *testing.T) (s *site, mallory *attacker, own, other pushed) {
	t.Helper()
	return attacked(t, newSite)
}

func attacked(t *testing.T, newSite func(t *testing.T, jobs string) *site) (s *site, mallory *attacker, own, other pushed) {
	t.Helper()
	s = newSite(t, "  crm: { max_size: 20MB, max_per_day: 40 }\n  media: {}\n  tiny: { max_per_day: 3 }\n")
	s.addHost("web1", []string{"crm", "tiny"}, "  crm: { sources: [{ command: { run: [echo, x] } }] }\n")
	s.addHost("web2", []string{"crm", "media"}, "  media: { sources: [{ command: { run: [echo, x] } }] }\n")
	s.start()
	mallory = newAttacker(s.hosts["web1"])
	own = mallory.begin("crm", []byte("insert into t values (1);\n"))
	mallory.must(mallory.finish(own), 200, 201)
	victim := newAttacker(s.hosts["web2"])
	other = victim.begin("media", []byte("insert into media values (2);\n"))
	victim.must(victim.finish(other), 200, 201)
	return s, mallory, own, other
}

func TestARequestTokenIsGoodForOneCallOfOneHostNow(t *testing.T) {
	s, a, _, _ := attackedSite(t)
	before := s.stored()
	start := api.StartRequest{Job: "crm", Streams: []api.StartStream{{Name: "crm", File: "crm.sql"}}}
	body := marshal(t, start)
	at := func(issued, life time.Duration) func(header, c claims) {
		return func(_, c claims) {
			now := time.Now().Add(issued)
			c["iat"], c["exp"] = now.Unix(), now.Add(life).Unix()
		}
	}
	set := func(claim string, value any) func(header, c claims) { return func(_, c claims) { c[claim] = value } }
	unset := func(claim string) func(header, c claims) { return func(_, c claims) { delete(c, claim) } }
	head := func(field string, value any) func(header, c claims) { return func(h, _ claims) { h[field] = value } }
	for _, c := range []struct {
		name  string
		forge func(header, c claims)
	}{
		{"expired", at(-10*time.Minute, time.Minute)},
		{"from the future", at(10*time.Minute, time.Minute)},
		{"an hour behind", at(-time.Hour, time.Minute)},
		{"an hour ahead", at(time.Hour, time.Minute)},
		{"valid for too long", at(0, time.Hour)},
		{"valid for ever", unset("exp")},
		{"without a time of issue", unset("iat")},
		{"without an id", unset("jti")},
		{"for another broker", set("aud", "https://elsewhere.example")},
		{"for nobody", unset("aud")},
		{"for an empty audience", set("aud", "")},
		{"for another method", set("htm", "GET")},
		{"for another path", set("htu", "/v1/reports")},
		{"for another body", set("bsh", base64.RawURLEncoding.EncodeToString(make([]byte, 32)))},
		{"without a body hash", unset("bsh")},
		{"of another host", set("iss", "web2")},
		{"of no host", unset("iss")},
		{"alg none", head("alg", "none")},
		{"alg HS256 with the public key", head("alg", "HS256")},
		{"alg of another case", head("alg", "eddsa")},
		{"an unknown key id", head("kid", "0123456789abcdef")},
		{"a key id that is a path", head("kid", "../../web1.key")},
		{"a key id that is a list", head("kid", []string{"a"})},
		{"the manifest's type", head("typ", "holdfast-manifest+json")},
		{"a crit header", head("crit", []string{"exp"})},
		{"a key in the header", head("jwk", map[string]string{"kty": "OKP"})},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := a.in(t)
			got := a.send("POST", api.PathStart, body, a.token("POST", api.PathStart, body, c.forge))
			if got.status != http.StatusUnauthorized {
				t.Errorf("status: got %d, want 401\n%s", got.status, got.body)
			}
		})
	}
	t.Run("none at all", func(t *testing.T) {
		a := a.in(t)
		a.must(a.send("POST", api.PathStart, body, ""), 401)
	})
	t.Run("replayed", func(t *testing.T) {
		a := a.in(t)
		bearer := a.token("POST", api.PathStart, body, nil)
		a.must(a.send("POST", api.PathStart, body, bearer), 200, 201)
		a.must(a.send("POST", api.PathStart, body, bearer), 401)
	})
	t.Run("with another body", func(t *testing.T) {
		a := a.in(t)
		bearer := a.token("POST", api.PathStart, body, nil)
		a.must(a.send("POST", api.PathStart, []byte(strings.Replace(string(body), "crm.sql", "xxx.sql", 1)), bearer), 401)
	})
	t.Run("a wrong clock is told so, with the broker's time", func(t *testing.T) {
		a := a.in(t)
		got := a.send("POST", api.PathStart, body, a.token("POST", api.PathStart, body, at(-time.Hour, time.Minute)))
		var p api.Problem
		got.into(t, &p)
		if p.Type != api.ProblemClock || p.Now.IsZero() {
			t.Errorf("got %+v, want a clock problem with the time", p)
		}
	})
	s.unchanged(before, "/web1/crm/")
}

func TestAHostCanOnlyAddUnderItsOwnJobs(t *testing.T) {
	onEveryVault(t, aHostCanOnlyAddUnderItsOwnJobs)
}

func aHostCanOnlyAddUnderItsOwnJobs(t *testing.T, newSite func(t *testing.T, jobs string) *site) {
	s, a, own, other := attacked(t, newSite)
	before := s.stored()
	stream := []api.StartStream{{Name: "crm", File: "crm.sql"}}
	refused := []int{400, 401, 403, 404, 405, 409, 413, 422, 429}
	for _, c := range []struct {
		name, method, path string
		body               any
	}{
		{"list everything", "GET", "/v1/backups", nil},
		{"list its own job", "GET", "/v1/backups?host=web1&job=crm", nil},
		{"read its own backup", "POST", api.PathDownloads, api.DownloadRequest{Ref: own.ref}},
		{"read another host's backup", "POST", api.PathDownloads, api.DownloadRequest{Ref: other.ref}},
		{"make a ticket", "POST", api.PathTickets, api.TicketRequest{Ref: own.ref, File: "crm.sql", TTL: 60}},
		{"start a job it has not", "POST", api.PathStart, api.StartRequest{Job: "media", Streams: stream}},
		{"start a job nobody has", "POST", api.PathStart, api.StartRequest{Job: "nothing", Streams: stream}},
		{"a job that climbs", "POST", api.PathStart, api.StartRequest{Job: "../web2/media", Streams: stream}},
		{"a job of another host", "POST", api.PathStart, api.StartRequest{Job: "web2/media", Streams: stream}},
		{"a file that climbs", "POST", api.PathStart, api.StartRequest{Job: "crm", Streams: []api.StartStream{{Name: "crm", File: "../../x"}}}},
		{"a file that is the manifest", "POST", api.PathStart, api.StartRequest{Job: "crm", Streams: []api.StartStream{{Name: "crm", File: "manifest.json"}}}},
		{"a file that is a hold", "POST", api.PathStart, api.StartRequest{Job: "crm", Streams: []api.StartStream{{Name: "crm", File: "hold.json"}}}},
		{"a stream name that climbs", "POST", api.PathStart, api.StartRequest{Job: "crm", Streams: []api.StartStream{{Name: "../x", File: "x.sql"}}}},
		{"two streams of one file", "POST", api.PathStart, api.StartRequest{Job: "crm", Streams: []api.StartStream{{Name: "a", File: "x.sql"}, {Name: "b", File: "x.sql"}}}},
		{"no stream", "POST", api.PathStart, api.StartRequest{Job: "crm"}},
		{"a chosen id and time", "POST", api.PathStart, `{"job":"crm","id":"20010101T000000Z-00000000","streams":[{"name":"crm","file":"crm.sql"}]}`},
		{"a chosen host", "POST", api.PathStart, `{"job":"media","host":"web2","streams":[{"name":"crm","file":"crm.sql"}]}`},
		{"delete", "DELETE", "/v1/backups/" + string(own.ref.ID), nil},
		{"replace", "PUT", "/v1/backups/" + string(own.ref.ID), nil},
		{"report for another job", "POST", api.PathReports, holdfast.Report{Kind: "failure", Host: "web1", Job: "media", Error: "x"}},
		{"report for another host", "POST", api.PathReports, holdfast.Report{Kind: "failure", Host: "web2", Job: "media", Error: "x"}},
		{"report at a chosen id", "POST", api.PathReports, holdfast.Report{Kind: "failure", Host: "web1", Job: "../../state", Error: "x"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := a.in(t)
			a.must(a.call(c.method, c.path, c.body, nil), refused...)
		})
	}
	t.Run("the answer for what is not there and not one's own is the same", func(t *testing.T) {
		a := a.in(t)
		notThere := own.ref
		notThere.ID = "20010101T000000Z-00000000"
		one := a.call("POST", api.PathDownloads, api.DownloadRequest{Ref: notThere}, nil)
		two := a.call("POST", api.PathDownloads, api.DownloadRequest{Ref: other.ref}, nil)
		if one.status != two.status {
			t.Errorf("statuses differ: %d and %d", one.status, two.status)
		}
	})
	t.Run("the vault's files are not served", func(t *testing.T) {
		a := a.in(t)
		for _, path := range []string{
			"/backups/web1/crm/", "/v/main/", "/v/main/backups/web2/media/", "/v/main/d/../../backups", "/vault/", "/state/monitor.json",
			"/v/main/d/" + string(own.ref.ID), "/r/" + string(own.ref.ID), "/v/main/d/..%2f..%2fholdfast.yaml",
		} {
			if got := a.raw("GET", s.url+path, nil, nil); got.status < 300 {
				t.Errorf("GET %s: got %d", path, got.status)
			}
		}
	})
	s.unchanged(before, "/web1/crm/")
}

func TestNothingAHostEverSawChangesACommittedBackup(t *testing.T) {
	onEveryVault(t, nothingAHostEverSawChangesACommittedBackup)
}

func nothingAHostEverSawChangesACommittedBackup(t *testing.T, newSite func(t *testing.T, jobs string) *site) {
	s, a, own, other := attacked(t, newSite)
	before := s.stored()
	evil := []byte("insert into t values (6);\n")
	committed := "/v1/backups/" + string(own.ref.ID)

	t.Run("the same commit again is harmless", func(t *testing.T) { a := a.in(t); a.must(a.finish(own), 200) })
	t.Run("a commit with other content", func(t *testing.T) {
		a := a.in(t)
		again := own
		again.part.Sum = strings.Repeat("0", len(again.part.Sum))
		again.commit.Manifest = a.manifest(again, evil)
		a.must(a.finish(again), 400, 409, 422)
	})
	t.Run("a commit under another id", func(t *testing.T) {
		a := a.in(t)
		a.must(a.call("POST", "/v1/backups/20200101T000000Z-00000000/commit", own.commit, nil), 400, 401, 403, 404, 409)
	})
	t.Run("signing parts after the commit", func(t *testing.T) {
		a := a.in(t)
		got := a.call("POST", committed+"/parts", api.PartsRequest{UploadToken: own.start.UploadToken, Stream: "crm", Parts: []holdfast.Part{own.part}}, nil)
		if got.status == 200 {
			var signed api.PartsResponse
			got.into(t, &signed)
			a.must(a.put(signed.Requests[0], []byte("insert into t values (1);\n")), 403, 404, 409)
		}
	})
	t.Run("the part's URL again", func(t *testing.T) {
		a := a.in(t)
		a.must(a.put(own.url, []byte("insert into t values (1);\n")), 403, 404, 409)
	})
	t.Run("the part's URL with other methods", func(t *testing.T) {
		a := a.in(t)
		for _, method := range []string{"GET", "HEAD", "DELETE", "POST", "PATCH"} {
			if got := a.raw(method, own.url.URL, nil, nil); got.status < 400 {
				t.Errorf("%s: got %d", method, got.status)
			}
		}
	})
	t.Run("aborting after the commit", func(t *testing.T) {
		a := a.in(t)
		a.call("POST", committed+"/abort", api.AbortRequest{UploadToken: own.start.UploadToken, Reason: "x"}, nil)
	})
	t.Run("another host's upload token", func(t *testing.T) {
		a := a.in(t)
		path := "/v1/backups/" + string(other.ref.ID)
		a.must(a.call("POST", path+"/parts", api.PartsRequest{UploadToken: other.start.UploadToken, Stream: "media", Parts: []holdfast.Part{other.part}}, nil), 400, 401, 403, 404)
		a.must(a.call("POST", path+"/commit", other.commit, nil), 400, 401, 403, 404)
		a.must(a.call("POST", path+"/abort", api.AbortRequest{UploadToken: other.start.UploadToken}, nil), 400, 401, 403, 404)
	})
	s.unchanged(before, "/nowhere/")
}

func TestAPartIsExactlyWhatWasSigned(t *testing.T) { onEveryVault(t, aPartIsExactlyWhatWasSigned) }

func aPartIsExactlyWhatWasSigned(t *testing.T, newSite func(t *testing.T, jobs string) *site) {
	_, a, _, _ := attacked(t, newSite)
	content := []byte("insert into t values (3);\n")
	p := a.begin("crm", content)
	path := "/v1/backups/" + string(p.ref.ID) + "/parts"
	request := func(change func(*holdfast.Part)) api.PartsRequest {
		part := p.part
		change(&part)
		return api.PartsRequest{UploadToken: p.start.UploadToken, Stream: "crm", Parts: []holdfast.Part{part}}
	}
	for _, c := range []struct {
		name string
		body api.PartsRequest
	}{
		{"part zero", request(func(p *holdfast.Part) { p.Number = 0 })},
		{"a negative part", request(func(p *holdfast.Part) { p.Number = -1 })},
		{"a part beyond the schedule", request(func(p *holdfast.Part) { p.Number = 10_001 })},
		{"a part beyond max_size", request(func(p *holdfast.Part) { p.Number = 4 })},
		{"an oversized part", request(func(p *holdfast.Part) { p.Size = holdfast.MinPartSize + 1 })},
		{"a huge part", request(func(p *holdfast.Part) { p.Size = 1 << 62 })},
		{"an empty part", request(func(p *holdfast.Part) { p.Size = 0 })},
		{"a negative size", request(func(p *holdfast.Part) { p.Size = -1 })},
		{"no checksum", request(func(p *holdfast.Part) { p.Sum = "" })},
		{"a checksum that climbs", request(func(p *holdfast.Part) { p.Sum = "../../../x" })},
		{"another stream", api.PartsRequest{UploadToken: p.start.UploadToken, Stream: "media", Parts: []holdfast.Part{p.part}}},
		{"no parts", api.PartsRequest{UploadToken: p.start.UploadToken, Stream: "crm"}},
		{"a tampered upload token", api.PartsRequest{UploadToken: tamper(p.start.UploadToken), Stream: "crm", Parts: []holdfast.Part{p.part}}},
		{"an unsigned upload token", api.PartsRequest{UploadToken: unsigned(p.start.UploadToken), Stream: "crm", Parts: []holdfast.Part{p.part}}},
		{"a request token as upload token", api.PartsRequest{UploadToken: a.token("POST", path, nil, nil), Stream: "crm", Parts: []holdfast.Part{p.part}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := a.in(t)
			a.must(a.call("POST", path, c.body, nil), 400, 401, 403, 404, 413, 422)
		})
	}
	for _, c := range []struct {
		name, url string
		content   []byte
	}{
		{"other bytes of the same length", p.url.URL, []byte("insert into t values (9);\n")},
		{"more bytes", p.url.URL, append([]byte("x"), content...)},
		{"fewer bytes", p.url.URL, content[1:]},
		{"a tampered URL", tamper(p.url.URL), content},
		{"another place", strings.NewReplacer("/p/", "/d/", "/crm.sql?", "/manifest.json?").Replace(p.url.URL), content},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := a.in(t)
			r := p.url
			r.URL = c.url
			a.must(a.put(r, c.content), 400, 403, 404, 405, 411, 413)
		})
	}
	t.Run("and what was signed is still taken, and commits", func(t *testing.T) {
		a := a.in(t)
		a.must(a.put(p.url, content), 200)
		a.must(a.finish(p), 200, 201)
	})
}

func TestACommitIsExactlyWhatWasSent(t *testing.T) { onEveryVault(t, aCommitIsExactlyWhatWasSent) }

func aCommitIsExactlyWhatWasSent(t *testing.T, newSite func(t *testing.T, jobs string) *site) {
	s, a, _, _ := attacked(t, newSite)
	content := []byte("insert into t values (4);\n")
	before := s.stored()
	for _, c := range []struct {
		name   string
		change func(p *pushed)
	}{
		{"a manifest of another size", func(p *pushed) { p.part.Size++; p.commit.Manifest = a.manifest(*p, append(content, '!')) }},
		{"a manifest of another checksum", func(p *pushed) {
			p.part.Sum = strings.Repeat("a", len(p.part.Sum))
			p.commit.Manifest = a.manifest(*p, content)
		}},
		{"a manifest of another host", func(p *pushed) {
			other := *p
			other.ref.Host = "web2"
			p.commit.Manifest = a.manifest(other, content)
		}},
		{"a manifest of another job", func(p *pushed) {
			other := *p
			other.ref.Job = "tiny"
			p.commit.Manifest = a.manifest(other, content)
		}},
		{"a manifest of an earlier id", func(p *pushed) {
			other := *p
			other.ref.ID = "20010101T000000Z-00000000"
			p.commit.Manifest = a.manifest(other, content)
		}},
		{"a manifest that another key signed", func(p *pushed) { p.commit.Manifest = newAttacker(s.hosts["web2"]).manifest(*p, content) }},
		{"a manifest that was altered", func(p *pushed) {
			p.commit.Manifest = []byte(strings.Replace(string(p.commit.Manifest), "plain SQL", "plain sql", 1))
		}},
		{"no manifest", func(p *pushed) { p.commit.Manifest = nil }},
		{"a manifest that is no JSON", func(p *pushed) { p.commit.Manifest = []byte("{") }},
		{"a tampered upload token", func(p *pushed) { p.commit.UploadToken = tamper(p.commit.UploadToken) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := a.in(t)
			p := a.begin("crm", content)
			c.change(&p)
			a.must(a.finish(p), 400, 401, 403, 404, 409, 422)
			for path := range s.stored() {
				if strings.Contains(path, string(p.ref.ID)) && strings.HasSuffix(path, "manifest.json") {
					t.Errorf("%s was written", path)
				}
			}
		})
	}
	t.Run("a part that other bytes have replaced", func(t *testing.T) {
		a := a.in(t)
		p, evil := a.begin("crm", content), []byte("insert into t values (6);\n")
		a.must(a.put(a.sign(p, p.partOf(1, evil)), evil), 200)
		a.must(a.finish(p), 400, 404, 409, 422)
	})
	t.Run("a part that was never sent", func(t *testing.T) {
		a := a.in(t)
		a.must(a.finish(a.announce("crm", content)), 400, 404, 409, 422)
	})
	s.unchanged(before, "/web1/crm/")
}

func TestQuotasHoldWithoutState(t *testing.T) { onEveryVault(t, quotasHoldWithoutState) }

func quotasHoldWithoutState(t *testing.T, newSite func(t *testing.T, jobs string) *site) {
	s, a, _, _ := attacked(t, newSite)
	start := api.StartRequest{Job: "tiny", Streams: []api.StartStream{{Name: "tiny", File: "tiny.sql"}}}
	for i := range 3 {
		if got := a.call("POST", api.PathStart, start, nil); got.status >= 300 {
			t.Fatalf("start %d: got %d\n%s", i, got.status, got.body)
		}
	}
	got := a.must(a.call("POST", api.PathStart, start, nil), 429)
	var p api.Problem
	got.into(t, &p)
	if p.Type != api.ProblemQuota || p.Hint == "" {
		t.Errorf("got %+v, want a quota problem with a hint", p)
	}
	s.kill()
	s.start()
	a.must(a.call("POST", api.PathStart, start, nil), 429) // the vault remembers, not the process
}
