package function

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
	"github.com/holdfast-backup/holdfast/internal/awsenv"
	"github.com/holdfast-backup/holdfast/internal/testenv"
	"github.com/holdfast-backup/holdfast/internal/token"
)

func TestABackupIsPushedAndFoundAgainThroughTheEventsOfAnHTTPAPI(t *testing.T) {
	for _, asBase64 := range []bool{false, true} {
		w := newWorld(t)
		host := (&gateway{w: w, handle: Push(w.env()), base64: asBase64}).client(t, "web1")
		ref := push(t, host, "web1", "crm")
		if want := []string{ref.Key("crm.sql.zst.age"), ref.ManifestKey()}; !cmp.Equal(want, w.stored(w.bucket)) {
			t.Errorf("stored: got %q, want %q", w.stored(w.bucket), want)
		}
		ops := (&gateway{w: w, handle: Restore(w.env()), base64: asBase64}).client(t, "ops")
		list, err := ops.List(t.Context(), "", "crm")
		if err != nil || len(list.Backups) != 1 || list.Backups[0].Ref != ref {
			t.Fatalf("list: got %+v, %v, want %s", list.Backups, err, ref)
		}
		got, err := ops.Downloads(t.Context(), api.DownloadRequest{Ref: ref})
		if err != nil {
			t.Fatal(err)
		}
		if status, _, body := send(t, got.Streams["crm.sql.zst.age"], ""); status != http.StatusOK || body != data {
			t.Errorf("download: got %d, %q, want %q", status, body, data)
		}
		made, err := ops.Ticket(t.Context(), api.TicketRequest{Ref: ref, File: holdfast.ManifestFile})
		if err != nil {
			t.Fatal(err)
		}
		path := strings.TrimPrefix(made.URL, brokerURL)
		answer, err := w.invoke(Restore(w.env()), event(t, "http-get.json", "/healthz", path))
		if err != nil || answer.(events.APIGatewayV2HTTPResponse).StatusCode != http.StatusFound {
			t.Fatalf("ticket: got %+v, %v", answer, err)
		}
		if got := w.measured("Function", "broker"); len(got) > 0 {
			t.Errorf("metrics of what went well: %v", got)
		}
	}
}

func TestEachHalfHasNothingOfTheOther(t *testing.T) {
	w := newWorld(t)
	_, err := (&gateway{w: w, handle: Push(w.env())}).client(t, "ops").List(t.Context(), "", "")
	wantStatus(t, err, http.StatusNotFound)
	_, err = (&gateway{w: w, handle: Restore(w.env())}).client(t, "web1").Start(t.Context(), api.StartRequest{Job: "crm", Streams: []api.StartStream{{Name: "crm", File: "crm.sql"}}})
	wantStatus(t, err, http.StatusNotFound)
}

func TestTheHealthOfTheFunctionIsOpenToAll(t *testing.T) {
	w := newWorld(t)
	answer, err := w.invoke(Push(w.env()), event(t, "http-get.json"))
	if err != nil {
		t.Fatal(err)
	}
	a := answer.(events.APIGatewayV2HTTPResponse)
	var health api.Health
	if err := json.Unmarshal([]byte(a.Body), &health); err != nil {
		t.Fatalf("%v: %s", err, a.Body)
	}
	if a.StatusCode != http.StatusOK || a.Headers["Content-Type"] != "application/json" || !health.OK || health.Version != "test" || health.Vaults["main"] != "ok" {
		t.Errorf("got %+v", a)
	}
}

func TestTheHostAndTheStageOfTheAPIDoNotMatter(t *testing.T) {
	w := newWorld(t)
	handle := Push(w.env())
	for _, replace := range [][]string{
		{`"a1b2c3d4e5.execute-api.eu-west-3.amazonaws.com"`, `""`},
		{`"rawPath": "/healthz"`, `"rawPath": ""`}, // then the context says it
	} {
		answer, err := w.invoke(handle, event(t, "http-get.json", replace...))
		if err != nil || answer.(events.APIGatewayV2HTTPResponse).StatusCode != http.StatusOK {
			t.Errorf("%q: got %+v, %v", replace, answer, err)
		}
	}
}

func TestAPathBelowTheBrokersURLIsStrippedWhoeverDoesIt(t *testing.T) {
	called := ""
	next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { called = r.URL.EscapedPath() })
	for _, c := range [][3]string{
		{"https://a.example", "/v1/backups", "/v1/backups"},
		{"https://a.example/", "/v1/backups", "/v1/backups"},
		{"https://a.example/prod", "/prod/v1/backups", "/v1/backups"},
		{"https://a.example/prod", "/v1/backups", "/v1/backups"},
		{"https://a.example/prod", "/production/v1", "/production/v1"},
	} {
		r, err := http.NewRequest("GET", "https://gateway.example"+c[1], nil)
		if err != nil {
			t.Fatal(err)
		}
		belowRoot(c[0], next).ServeHTTP(nil, r)
		if called != c[2] {
			t.Errorf("%s below %s: got %s, want %s", c[1], c[0], called, c[2])
		}
	}
}

func TestWhatCannotBeReadIsTheCallersFaultAndNotInTheLog(t *testing.T) {
	w := newWorld(t)
	handle := Restore(w.env())
	for _, replace := range [][]string{
		{`"rawPath": "/healthz"`, `"rawPath": "/r/ticket%zz"`},
		{`"isBase64Encoded": false`, `"isBase64Encoded": true, "body": "%%%"`},
		{`"method": "GET"`, `"method": "G E T"`},
	} {
		answer, err := w.invoke(handle, event(t, "http-get.json", replace...))
		if err != nil {
			t.Fatal(err)
		}
		a := answer.(events.APIGatewayV2HTTPResponse)
		var p api.Problem
		if err := json.Unmarshal([]byte(a.Body), &p); err != nil || a.StatusCode != http.StatusBadRequest || a.Headers["Content-Type"] != api.ProblemType {
			t.Errorf("%q: got %+v, %v", replace, a, err)
		}
	}
	if lines := w.logged("refused"); len(lines) != 3 || strings.Contains(strings.Join(lines, ""), "ticket%zz") {
		t.Errorf("logged %q", lines)
	}
	if got := w.measured("Function", "restore"); len(got) > 0 {
		t.Errorf("a caller's fault counts as the function's: %v", got)
	}
}

func TestARevokedHostIsRefusedOnceTheConfigurationIsAMinuteOld(t *testing.T) {
	w := newWorld(t)
	g := &gateway{w: w, handle: Push(w.env())}
	web1 := g.client(t, "web1")
	push(t, web1, "web1", "crm")
	w.hosts = strings.Replace(w.hosts, "web1: {", "web1: { revoked: true,", 1)
	w.write()
	push(t, web1, "web1", "crm") // not yet seen
	w.wait(awsenv.TTL)
	_, err := web1.Start(t.Context(), api.StartRequest{Job: "crm", Streams: []api.StartStream{{Name: "crm", File: "crm.sql"}}})
	wantStatus(t, err, http.StatusUnauthorized)
	push(t, g.client(t, "db1"), "db1", "crm")
}

// What the broker counts in memory is kept while only hosts and jobs change.
func TestATokenUsedBeforeAChangeOfHostsIsRefusedAfterIt(t *testing.T) {
	w := newWorld(t)
	handle := Push(w.env())
	body := []byte(`{"job":"crm","streams":[{"name":"crm","file":"crm.sql"}]}`)
	signer, err := token.NewSigner(keyOf("web1"), "web1", brokerURL)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign("POST", api.PathStart, body, w.now().Add(awsenv.TTL))
	if err != nil {
		t.Fatal(err)
	}
	w.wait(awsenv.TTL / 2)
	call := func() int {
		quoted, err := json.Marshal(string(body))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := w.invoke(handle, event(t, "http-get.json", "/healthz", api.PathStart, `"method": "GET"`, `"method": "POST"`,
			`"accept": "*/*"`, `"authorization": "Bearer `+signed+`"`, `"version": "2.0"`, `"version": "2.0", "body": `+string(quoted)))
		if err != nil {
			t.Fatal(err)
		}
		return answer.(events.APIGatewayV2HTTPResponse).StatusCode
	}
	if got := call(); got != http.StatusOK {
		t.Fatalf("got %d, want 200", got)
	}
	w.hosts += host("web2", "[crm]")
	w.write()
	w.wait(awsenv.TTL)
	if got := call(); got != http.StatusUnauthorized {
		t.Errorf("after a change of hosts: got %d, want 401", got)
	}
}

func TestANewSecretAndANewVaultAreTakenUp(t *testing.T) {
	w := newWorld(t)
	g := &gateway{w: w, handle: Push(w.env())}
	web1 := g.client(t, "web1")
	begun, err := web1.Start(t.Context(), api.StartRequest{Job: "crm", Streams: []api.StartStream{{Name: "crm", File: "crm.sql"}}})
	if err != nil {
		t.Fatal(err)
	}
	part := func() error {
		_, err := web1.SignParts(t.Context(), begun.ID, api.PartsRequest{UploadToken: begun.Vaults[0].UploadToken, Stream: "crm", Parts: manifest(holdfast.Ref{}).Streams[0].Parts})
		return err
	}
	// The same reference, another value: what was sealed with the old is worth nothing.
	t.Setenv("BROKER_SECRET", strings.Repeat("another-secret-", 4))
	if err := part(); err != nil {
		t.Fatalf("within the minute: %v", err)
	}
	w.wait(awsenv.TTL)
	if err := part(); err == nil {
		t.Error("an upload token of the secret before is taken")
	}
	// Another reference: what was sealed with the old secret counts while it is named.
	if begun, err = web1.Start(t.Context(), api.StartRequest{Job: "crm", Streams: []api.StartStream{{Name: "crm", File: "crm.sql"}}}); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NEXT_SECRET", strings.Repeat("next-secret-", 4))
	for _, c := range []struct {
		old string
		ok  bool
	}{{"env:BROKER_SECRET", true}, {"", false}} {
		w.secret, w.oldSecret = "env:NEXT_SECRET", c.old
		w.write()
		w.wait(awsenv.TTL)
		if err := part(); (err == nil) != c.ok {
			t.Errorf("with the old secret at %q: %v", c.old, err)
		}
	}
	second := w.s3.NewBucket(t, testenv.Bucket{})
	w.vaults += w.vault("second", second, "below")
	w.jobs = "  crm: { vault: second }\n  media: { vault: main }\n"
	w.write()
	w.wait(awsenv.TTL)
	ref := push(t, web1, "web1", "crm")
	if want := []string{"below/" + ref.Key("crm.sql.zst.age"), "below/" + ref.ManifestKey()}; !cmp.Equal(want, w.stored(second)) {
		t.Errorf("stored: got %q, want %q", w.stored(second), want)
	}
}

func TestABrokenConfigurationIsNotTakenAndEndsInAFailure(t *testing.T) {
	w := newWorld(t)
	g := &gateway{w: w, handle: Push(w.env())}
	web1 := g.client(t, "web1")
	push(t, web1, "web1", "crm")
	w.writeText("broker: { url: nonsense")
	w.wait(awsenv.TTL)
	push(t, web1, "web1", "crm")
	if lines := w.logged("refresh failed", "not YAML"); len(lines) != 1 {
		t.Errorf("logged %q, want the reason once", lines)
	}
	w.wait(awsenv.MaxAge)
	_, err := w.invoke(g.handle, event(t, "http-get.json"))
	if err == nil || !strings.Contains(err.Error(), "not YAML") {
		t.Errorf("after %s: got %v, want the reason", awsenv.MaxAge, err)
	}
	if got := w.measured("Function", "broker"); !cmp.Equal(map[string]float64{"Failed": 1}, got) {
		t.Errorf("metrics: got %v", got)
	}
	w.write()
	push(t, web1, "web1", "crm")
}

func TestAStoreThatDoesNotAnswerIsAnAnswerAndCountsAsFailed(t *testing.T) {
	w := newWorld(t)
	w.vaults = strings.Replace(w.vaults, w.bucket, "no-such-bucket", 1)
	w.write()
	answer, err := w.invoke(Push(w.env()), event(t, "http-get.json"))
	if err != nil || answer.(events.APIGatewayV2HTTPResponse).StatusCode != http.StatusServiceUnavailable {
		t.Fatalf("got %+v, %v", answer, err)
	}
	if got := w.measured("Function", "broker"); !cmp.Equal(map[string]float64{"Failed": 1}, got) {
		t.Errorf("metrics: got %v", got)
	}
}

func TestADiskVaultIsRefused(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	w.vaults = "  main: { disk: { path: " + dir + " } }\n"
	w.write()
	if err := os.Mkdir(filepath.Join(dir, "backups"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := w.invoke(Push(w.env()), event(t, "http-get.json"))
	if err == nil || !strings.Contains(err.Error(), "takes holdfast serve") {
		t.Errorf("got %v", err)
	}
}

func TestSecretsAreInNoLog(t *testing.T) {
	w := newWorld(t)
	g := &gateway{w: w, handle: Push(w.env())}
	push(t, g.client(t, "web1"), "web1", "crm")
	t.Setenv("BROKER_SECRET", "too short")
	w.wait(awsenv.TTL)
	push(t, g.client(t, "web1"), "web1", "crm")
	w.wait(awsenv.MaxAge + time.Second)
	if _, err := w.invoke(g.handle, event(t, "http-get.json")); err == nil {
		t.Error("a secret that is too short is taken")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, text := range []string{"too short", "secret-of-the-broker", w.s3.SecretKey} {
		if bytes.Contains(w.log.Bytes(), []byte(text)) {
			t.Errorf("the log has %q:\n%s", text, &w.log)
		}
	}
}

func TestAnAnswerIsTooLargeOnceItsJSONIs(t *testing.T) {
	for _, c := range []struct {
		body string
		want bool
	}{
		{"", false},
		{strings.Repeat("x", maxAnswer-1000), false},
		{strings.Repeat("x", maxAnswer), true},
		{strings.Repeat(`"`, maxAnswer/2), true},
		{strings.Repeat("<", maxAnswer/6), true}, // which JSON writes in six bytes
	} {
		if got := tooLarge(events.APIGatewayV2HTTPResponse{StatusCode: 200, Body: c.body}); got != c.want {
			t.Errorf("%d of %.1q: got %t, want %t", len(c.body), c.body, got, c.want)
		}
	}
}
