package broker

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/token"
)

// The attacker has web1's key and everything that was ever sent to web1.

// traversals are names that would leave their place if one of them became part
// of a key.
var traversals = []string{"", ".", "..", "../db1", "crm/../../db1/crm", "/etc/passwd", "crm/", "crm%2f..", "crm\x00", "crm\n",
	"..\\db1", "CRM", "crm*", "-", strings.Repeat("a", 64), "crm\u202e", "manifest.json", "hold.json"}

func TestAttackerReachesNothingOfOthers(t *testing.T) {
	w := newWorld(t)
	theirs := w.backup("db1", "crm", w.other)
	own := w.backup("web1", "crm", w.vault)
	begun := w.start("web1", "crm")
	w.upload("web1", w.vault, begun, 20)
	theirBegun := w.start("db1", "crm")
	w.upload("db1", w.other, theirBegun, 20)
	before, beforeOther := w.vault.snapshot(), w.other.snapshot()
	uploads := len(w.vault.uploads) + len(w.other.uploads)

	part := []holdfast.Part{{Number: 1, Size: 20, Sum: sum("evil")}}
	stream := []api.StartStream{{Name: "crm", File: "crm.sql"}}
	type attempt struct {
		method, path string
		body         any
	}
	attempts := map[string]attempt{
		"list all":                   {"GET", api.PathStart, nil},
		"list its own":               {"GET", api.PathStart + "?host=web1&job=crm", nil},
		"list another host":          {"GET", api.PathStart + "?host=db1", nil},
		"download its own":           {"POST", api.PathDownloads, api.DownloadRequest{Ref: own}},
		"download another's":         {"POST", api.PathDownloads, api.DownloadRequest{Ref: theirs}},
		"ticket for its own":         {"POST", api.PathTickets, api.TicketRequest{Ref: own, File: holdfast.ManifestFile}},
		"start a job of no policy":   {"POST", api.PathStart, api.StartRequest{Job: "unknown", Streams: stream}},
		"start a job not its own":    {"POST", api.PathStart, api.StartRequest{Job: "payroll", Streams: stream}},
		"start for another host":     {"POST", api.PathStart, map[string]any{"job": "crm", "host": "db1", "streams": stream}},
		"start with a chosen id":     {"POST", api.PathStart, map[string]any{"job": "crm", "id": own.ID, "streams": stream}},
		"start without streams":      {"POST", api.PathStart, api.StartRequest{Job: "crm"}},
		"start with too many":        {"POST", api.PathStart, api.StartRequest{Job: "crm", Streams: make([]api.StartStream, holdfast.MaxStreams+1)}},
		"start with a file twice":    {"POST", api.PathStart, api.StartRequest{Job: "crm", Streams: []api.StartStream{{Name: "a", File: "x"}, {Name: "b", File: "x"}}}},
		"start with a name twice":    {"POST", api.PathStart, api.StartRequest{Job: "crm", Streams: []api.StartStream{{Name: "a", File: "x"}, {Name: "a", File: "y"}}}},
		"parts of another's upload":  {"POST", idPath(api.PathParts, theirBegun.ID), api.PartsRequest{UploadToken: theirBegun.UploadToken, Stream: "crm", Parts: part}},
		"parts under another id":     {"POST", idPath(api.PathParts, own.ID), api.PartsRequest{UploadToken: begun.UploadToken, Stream: "crm", Parts: part}},
		"parts of an unknown stream": {"POST", idPath(api.PathParts, begun.ID), api.PartsRequest{UploadToken: begun.UploadToken, Stream: "other", Parts: part}},
		"commit of another's upload": {"POST", idPath(api.PathCommit, theirBegun.ID), api.CommitRequest{UploadToken: theirBegun.UploadToken, Manifest: w.signed("web1", w.manifest("db1", "crm", theirBegun, 20))}},
		"commit onto a committed id": {"POST", idPath(api.PathCommit, own.ID), api.CommitRequest{UploadToken: begun.UploadToken, Manifest: w.signed("web1", w.manifest("web1", "crm", begun, 20))}},
		"abort of another's upload":  {"POST", idPath(api.PathAbort, theirBegun.ID), api.AbortRequest{UploadToken: theirBegun.UploadToken}},
		"abort under another id":     {"POST", idPath(api.PathAbort, own.ID), api.AbortRequest{UploadToken: begun.UploadToken}},
		"report for another host":    {"POST", api.PathReports, holdfast.Report{Kind: holdfast.ReportFailure, Host: "db1", Job: "crm"}},
		"report for another job":     {"POST", api.PathReports, holdfast.Report{Kind: holdfast.ReportFailure, Job: "payroll"}},
		"report of an unknown kind":  {"POST", api.PathReports, holdfast.Report{Kind: "success", Job: "crm"}},
		"report of a strange backup": {"POST", api.PathReports, holdfast.Report{Kind: holdfast.ReportFailure, Job: "crm", Backup: "../x"}},
		"delete":                     {"DELETE", "/v1/backups/" + string(own.ID), nil},
		"overwrite":                  {"PUT", "/v1/backups/" + string(own.ID), nil},
		"another path":               {"POST", "/v2/backups", nil},
	}
	for i, bad := range traversals {
		name := fmt.Sprintf("traversal %d ", i)
		attempts[name+"in a job"] = attempt{"POST", api.PathStart, api.StartRequest{Job: bad, Streams: stream}}
		attempts[name+"in a file"] = attempt{"POST", api.PathStart, api.StartRequest{Job: "crm", Streams: []api.StartStream{{Name: "crm", File: strings.TrimSuffix(bad, "CRM") + "/"}}}}
		attempts[name+"in a report's job"] = attempt{"POST", api.PathReports, holdfast.Report{Kind: holdfast.ReportFailure, Job: bad}}
		if bad != "" {
			attempts[name+"in a report's host"] = attempt{"POST", api.PathReports, holdfast.Report{Kind: holdfast.ReportFailure, Host: bad, Job: "crm"}}
		}
		if holdfast.CheckName("stream", bad) != nil {
			attempts[name+"in a stream"] = attempt{"POST", api.PathStart, api.StartRequest{Job: "crm", Streams: []api.StartStream{{Name: bad, File: "x"}}}}
		}
		if holdfast.CheckFile(bad) != nil {
			attempts[name+"in a file alone"] = attempt{"POST", api.PathStart, api.StartRequest{Job: "crm", Streams: []api.StartStream{{Name: "crm", File: bad}}}}
		}
		attempts[name+"in a part's stream"] = attempt{"POST", idPath(api.PathParts, begun.ID), api.PartsRequest{UploadToken: begun.UploadToken, Stream: bad, Parts: part}}
		attempts[name+"in an upload token"] = attempt{"POST", idPath(api.PathParts, begun.ID), api.PartsRequest{UploadToken: bad, Stream: "crm", Parts: part}}
	}
	for name, a := range attempts {
		t.Run(name, func(t *testing.T) {
			rec := w.call("web1", a.method, a.path, a.body)
			if rec.Code < 400 || rec.Code >= 500 {
				t.Errorf("got %d, want it refused: %s", rec.Code, rec.Body)
			}
		})
	}
	if diff := cmp.Diff(before, w.vault.snapshot()); diff != "" {
		t.Errorf("web1's vault: %s", diff)
	}
	if diff := cmp.Diff(beforeOther, w.other.snapshot()); diff != "" {
		t.Errorf("db1's vault: %s", diff)
	}
	if got := len(w.vault.uploads) + len(w.other.uploads); got != uploads {
		t.Errorf("%d uploads, want %d", got, uploads)
	}
	// What was in progress for db1 is untouched.
	answer[api.CommitResponse](t, w.commit("db1", theirBegun, w.signed("db1", w.manifest("db1", "crm", theirBegun, 20))), http.StatusOK)
}

func TestNotThereAndNotYoursReadTheSame(t *testing.T) {
	w := newWorld(t)
	theirs := w.backup("web1", "crm", w.vault)
	own := w.backup("db1", "crm", w.other)
	absent := own
	absent.ID = "20251028T110000Z-00000000"
	malformed := own
	malformed.Host = "../web1"
	bodies := map[string]string{}
	for name, ref := range map[string]holdfast.Ref{"not yours": theirs, "not there": absent, "malformed": malformed} {
		for _, rec := range []*httptest.ResponseRecorder{
			w.call("clerk", "POST", api.PathDownloads, api.DownloadRequest{Ref: ref}),
			w.call("clerk", "POST", api.PathTickets, api.TicketRequest{Ref: ref, File: holdfast.ManifestFile}),
		} {
			p := answer[api.Problem](t, rec, http.StatusNotFound)
			p.RequestID = ""
			bodies[string(api.MarshalProblem(p))] = name
		}
	}
	if len(bodies) != 1 {
		t.Errorf("got %d different answers, want one: %v", len(bodies), bodies)
	}
}

func TestRequestTokensOfTheAttackerAreRefused(t *testing.T) {
	w := newWorld(t)
	body, err := json.Marshal(api.StartRequest{Job: "crm", Streams: []api.StartStream{{Name: "crm", File: "crm.sql"}}})
	if err != nil {
		t.Fatal(err)
	}
	used := w.sign("web1", "POST", api.PathStart, body, w.clock)
	answer[api.StartResponse](t, w.serve("POST", api.PathStart, body, "Bearer "+used), http.StatusOK)
	otherAudience, err := token.NewSigner(keyOf("web1"), "web1", "https://other.example")
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, err := otherAudience.Sign("POST", api.PathStart, body, w.clock)
	if err != nil {
		t.Fatal(err)
	}
	good := w.sign("web1", "POST", api.PathStart, body, w.clock)
	parts := strings.Split(good, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + parts[1] + "."
	begun := w.start("web1", "crm")
	cases := map[string]struct{ authorization, code string }{
		"none":                          {"", api.ProblemToken},
		"of a key that is not known":    {"Bearer " + w.sign("stranger", "POST", api.PathStart, body, w.clock), api.ProblemToken},
		"replayed":                      {"Bearer " + used, api.ProblemToken},
		"expired":                       {"Bearer " + w.sign("web1", "POST", api.PathStart, body, w.clock.Add(-time.Hour)), api.ProblemClock},
		"of the future":                 {"Bearer " + w.sign("web1", "POST", api.PathStart, body, w.clock.Add(time.Hour)), api.ProblemClock},
		"for another broker":            {"Bearer " + elsewhere, api.ProblemToken},
		"for another method":            {"Bearer " + w.sign("web1", "GET", api.PathStart, body, w.clock), api.ProblemToken},
		"for another path":              {"Bearer " + w.sign("web1", "POST", api.PathReports, body, w.clock), api.ProblemToken},
		"for a query":                   {"Bearer " + w.sign("web1", "POST", api.PathStart+"?x=1", body, w.clock), api.ProblemToken},
		"for another body":              {"Bearer " + w.sign("web1", "POST", api.PathStart, append(body, ' '), w.clock), api.ProblemToken},
		"for no body":                   {"Bearer " + w.sign("web1", "POST", api.PathStart, nil, w.clock), api.ProblemToken},
		"alg none":                      {"Bearer " + none, api.ProblemToken},
		"over-long":                     {"Bearer " + strings.Repeat("x", 1<<16), api.ProblemToken},
		"an upload token in its place":  {"Bearer " + begun.UploadToken, api.ProblemToken},
		"with a second one in the line": {"Bearer " + good + ", Bearer " + good, api.ProblemToken},
	}
	uploads := len(w.vault.uploads)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			rec := w.serve("POST", api.PathStart, body, c.authorization)
			p := answer[api.Problem](t, rec, http.StatusUnauthorized)
			if p.Type != c.code || !p.Now.Equal(w.clock) || p.Hint == "" || p.RequestID != rec.Header().Get("X-Request-Id") {
				t.Errorf("got %+v, want %s with the broker's time, a hint and the request id", p, c.code)
			}
		})
	}
	twice := httptest.NewRequest("POST", brokerURL+api.PathStart, bytes.NewReader(body))
	twice.Header.Add("Authorization", "Bearer "+good)
	twice.Header.Add("Authorization", "Bearer "+good)
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, twice)
	answer[api.Problem](t, rec, http.StatusUnauthorized)
	if got := len(w.vault.uploads); got != uploads {
		t.Errorf("%d uploads, want %d", got, uploads)
	}
}

func TestKeyThatWasCutOffIsRefusedAtOnce(t *testing.T) {
	w := newWorld(t)
	begun := w.start("web1", "crm")
	w.upload("web1", w.vault, begun, 20)
	doc := w.signed("web1", w.manifest("web1", "crm", begun, 20))
	kid := holdfast.KeyID(publicOf("web1"))
	p := w.registry.principals[kid]
	p.Jobs = []string{"web1/media"}
	w.registry.principals[kid] = p
	answer[api.Problem](t, w.commit("web1", begun, doc), http.StatusNotFound)
	delete(w.registry.principals, kid)
	answer[api.Problem](t, w.commit("web1", begun, doc), http.StatusUnauthorized)
	if len(w.vault.snapshot()) != 0 {
		t.Error("something was committed")
	}
}

func TestUploadTokensOfTheAttackerAreRefused(t *testing.T) {
	w := newWorld(t)
	begun := w.start("web1", "crm")
	ref := holdfast.Ref{Host: "web1", Job: "crm", ID: begun.ID}
	claims := upload{Ref: ref, Vault: "main", MaxSize: 1 << 40, Streams: []uploadStream{{Name: "crm", File: "crm.sql.zst.age", Upload: "u1"}}}
	seal := func(s *token.Sealer, kind string, claims any) string {
		t.Helper()
		sealed, err := s.Seal(kind, claims, w.clock.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		return sealed
	}
	guessed, err := token.NewSealer(brokerURL, secret.New(strings.Repeat("g", 32)))
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, err := token.NewSealer("https://other.example", secret.New(strings.Repeat("s", 32)))
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(begun.UploadToken, ".")
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	larger := bytes.Replace(raw, []byte(`"max_size":1073741824`), []byte(`"max_size":9073741824`), 1)
	if bytes.Equal(raw, larger) {
		t.Fatal("the token has no max_size to tamper with")
	}
	cases := map[string]string{
		"empty":                      "",
		"tampered max_size":          parts[0] + "." + base64.RawURLEncoding.EncodeToString(larger) + "." + parts[2],
		"without seal":               parts[0] + "." + parts[1] + ".",
		"alg none":                   base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"holdfast-upload"}`)) + "." + parts[1] + ".",
		"sealed with a guess":        seal(guessed, token.KindUpload, claims),
		"sealed for another broker":  seal(elsewhere, token.KindUpload, claims),
		"a ticket":                   seal(w.sealer, token.KindTicket, ticket{Ref: ref, File: "x"}),
		"a part of the disk vault":   seal(w.sealer, token.KindPart, claims),
		"a download of the disk":     seal(w.sealer, token.KindDownload, claims),
		"its own request token":      w.sign("web1", "POST", api.PathStart, nil, w.clock),
		"of a vault that is not one": seal(w.sealer, token.KindUpload, upload{Ref: ref, Vault: "gone", MaxSize: 1, Streams: claims.Streams}),
	}
	for name, sealed := range cases {
		t.Run(name, func(t *testing.T) {
			for path, body := range map[string]any{
				api.PathParts:  api.PartsRequest{UploadToken: sealed, Stream: "crm", Parts: []holdfast.Part{{Number: 1, Size: 1, Sum: sum("x")}}},
				api.PathCommit: api.CommitRequest{UploadToken: sealed, Manifest: w.signed("web1", w.manifest("web1", "crm", begun, 20))},
				api.PathAbort:  api.AbortRequest{UploadToken: sealed},
			} {
				answer[api.Problem](t, w.call("web1", "POST", idPath(path, begun.ID), body), http.StatusNotFound)
			}
		})
	}
	if len(w.vault.uploads) != 1 || len(w.vault.signed) != 0 {
		t.Errorf("got %d uploads and %d signed parts, want 1 and 0", len(w.vault.uploads), len(w.vault.signed))
	}
}

// tripwire is a body that must not be read.
type tripwire struct{ t *testing.T }

func (w tripwire) Read([]byte) (int, error) {
	w.t.Error("the body was read")
	return 0, io.EOF
}

func TestBodyIsReadOnlyOnceTheTokenIsProvenAndNoFurtherThanItsLimit(t *testing.T) {
	w := newWorld(t)
	r := httptest.NewRequest("POST", brokerURL+api.PathCommit, tripwire{t})
	r.Header.Set("Authorization", "Bearer "+w.sign("stranger", "POST", api.PathStart, nil, w.clock))
	w.handler.ServeHTTP(httptest.NewRecorder(), r)

	huge := bytes.Repeat([]byte(" "), api.MaxBody+1)
	answer[api.Problem](t, w.call("web1", "POST", api.PathStart, huge), http.StatusRequestEntityTooLarge)
}

func TestHalvesServeNothingOfEachOther(t *testing.T) {
	w := newWorld(t)
	ref := w.backup("web1", "crm", w.vault)
	both := w.handler
	w.handler = w.push
	answer[api.Problem](t, w.call("ops", "GET", api.PathStart, nil), http.StatusNotFound)
	answer[api.Problem](t, w.call("ops", "POST", api.PathDownloads, api.DownloadRequest{Ref: ref}), http.StatusNotFound)
	w.handler = w.restore
	req := api.StartRequest{Job: "crm", Streams: []api.StartStream{{Name: "crm", File: "crm.sql"}}}
	answer[api.Problem](t, w.call("web1", "POST", api.PathStart, req), http.StatusNotFound)
	answer[api.ListResponse](t, w.call("ops", "GET", api.PathStart, nil), http.StatusOK)
	w.handler = both
	// An operator's key pushes nothing.
	answer[api.Problem](t, w.call("ops", "POST", api.PathStart, req), http.StatusNotFound)
}

func FuzzBodies(f *testing.F) {
	w := newWorld(f)
	begun := w.start("web1", "crm")
	for i, body := range []any{
		api.StartRequest{Job: "crm", Streams: []api.StartStream{{Name: "crm", File: "crm.sql"}}},
		api.PartsRequest{UploadToken: begun.UploadToken, Stream: "crm", Parts: []holdfast.Part{{Number: 1, Size: 1, Sum: sum("x")}}},
		api.CommitRequest{UploadToken: begun.UploadToken, Manifest: []byte("{}"), ETags: map[string][]string{"crm": {"a"}}},
		api.AbortRequest{UploadToken: begun.UploadToken, Reason: "x"},
		holdfast.Report{Kind: holdfast.ReportDrill, Job: "crm", OK: true, Tail: "x"},
	} {
		raw, err := json.Marshal(body)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(i, raw)
	}
	paths := []string{api.PathStart, idPath(api.PathParts, begun.ID), idPath(api.PathCommit, begun.ID), idPath(api.PathAbort, begun.ID), api.PathReports}
	f.Fuzz(func(t *testing.T, which int, body []byte) {
		// The same clock and random bits make the same upload token, so that
		// those of the corpus are good.
		w := newWorld(t)
		if w.start("web1", "crm").UploadToken != begun.UploadToken {
			t.Fatal("another upload token than that of the corpus")
		}
		rec := w.call("web1", "POST", paths[uint(which)%uint(len(paths))], body)
		if rec.Code >= 500 {
			t.Errorf("got %d: %s", rec.Code, rec.Body)
		}
		for key := range w.vault.snapshot() {
			if !strings.HasPrefix(key, holdfast.ReportsPrefix+"web1/") {
				t.Errorf("made %q", key)
			}
		}
	})
}
