package broker

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
	"github.com/holdfast-backup/holdfast/internal/token"
)

func TestListShowsWhatTheKeyMayRestore(t *testing.T) {
	w := newWorld(t)
	first := w.backup("web1", "crm", w.vault)
	w.clock = w.clock.Add(time.Hour)
	second := w.backup("web1", "crm", w.vault)
	media := w.backup("web1", "media", w.vault)
	theirs := w.backup("db1", "crm", w.other)
	cases := map[string]struct {
		who, query string
		want       []holdfast.Ref
	}{
		"all, newest first within a job": {"ops", "", []holdfast.Ref{theirs, second, first, media}},
		"of a host":                      {"ops", "?host=web1", []holdfast.Ref{second, first, media}},
		"of a job of any host":           {"ops", "?job=crm", []holdfast.Ref{theirs, second, first}},
		"of a job of a host":             {"ops", "?host=web1&job=media", []holdfast.Ref{media}},
		"of a host that is not there":    {"ops", "?host=web", nil},
		"of what the key may":            {"clerk", "", []holdfast.Ref{theirs}},
		"of what the key may not":        {"clerk", "?host=web1", nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			list := answer[api.ListResponse](t, w.call(c.who, "GET", api.PathStart+c.query, nil), http.StatusOK)
			var got []holdfast.Ref
			for _, b := range list.Backups {
				got = append(got, b.Ref)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	answer[api.Problem](t, w.call("ops", "GET", api.PathStart+"?host=..", nil), http.StatusBadRequest)
	answer[api.Problem](t, w.call("ops", "GET", api.PathStart+"?job=a/b", nil), http.StatusBadRequest)
}

func TestDownloadsAreSignedForEveryFileOfACommittedBackup(t *testing.T) {
	w := newWorld(t)
	ref := w.backup("web1", "crm", w.vault)
	if err := w.vault.Put(t.Context(), ref.HoldKey(), []byte("{}")); err != nil {
		t.Fatal(err)
	}
	got := answer[api.DownloadResponse](t, w.call("ops", "POST", api.PathDownloads, api.DownloadRequest{Ref: ref}), http.StatusOK)
	request := func(file string) holdfast.Request {
		return holdfast.Request{Method: "GET", URL: "https://store.example/secret-signature/" + ref.Key(file), Expires: noon.Add(RequestLife)}
	}
	want := api.DownloadResponse{Vault: "main",
		Manifest: request(holdfast.ManifestFile),
		Streams:  map[string]holdfast.Request{"crm.sql.zst.age": request("crm.sql.zst.age")},
		HostKeys: []string{holdfast.FormatPublicKey(publicOf("web1"))},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	begun := w.start("web1", "crm")
	unfinished := holdfast.Ref{Host: "web1", Job: "crm", ID: begun.ID}
	answer[api.Problem](t, w.call("ops", "POST", api.PathDownloads, api.DownloadRequest{Ref: unfinished}), http.StatusNotFound)
}

func TestBackupOfAJobThatIsNoLongerConfiguredIsFound(t *testing.T) {
	w := newWorld(t)
	ref := holdfast.Ref{Host: "retired", Job: "shop", ID: "20250101T000000Z-00000000"}
	for _, file := range []string{"shop.sql.zst.age", holdfast.ManifestFile} {
		if err := w.other.Put(t.Context(), ref.Key(file), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	answer[api.DownloadResponse](t, w.call("ops", "POST", api.PathDownloads, api.DownloadRequest{Ref: ref}), http.StatusOK)
}

func (w *world) ticket(who string, req api.TicketRequest) api.TicketResponse {
	w.t.Helper()
	return answer[api.TicketResponse](w.t, w.call(who, "POST", api.PathTickets, req), http.StatusOK)
}

func TestTicketRedeemsToASignedDownloadUntilItExpires(t *testing.T) {
	w := newWorld(t)
	ref := w.backup("web1", "crm", w.vault)
	made := w.ticket("ops", api.TicketRequest{Ref: ref, File: "crm.sql.zst.age"})
	if want := noon.Add(TicketLife); !made.Expires.Equal(want) {
		t.Errorf("expires %s, want %s", made.Expires, want)
	}
	path, ok := strings.CutPrefix(made.URL, brokerURL)
	if !ok {
		t.Fatalf("url %q does not begin with the public URL", made.URL)
	}
	for _, method := range []string{"GET", "HEAD"} {
		rec := w.serve(method, path, nil, "")
		if rec.Code != http.StatusFound || rec.Header().Get("Location") != "https://store.example/secret-signature/"+ref.Key("crm.sql.zst.age") {
			t.Fatalf("%s: got %d %v", method, rec.Code, rec.Header())
		}
		if rec.Header().Get("Cache-Control") != "no-store" || rec.Header().Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: got headers %v, want no-store and no-referrer", method, rec.Header())
		}
	}
	w.clock = w.clock.Add(TicketLife)
	answer[api.Problem](t, w.serve("GET", path, nil, ""), http.StatusGone)
}

func TestTicketsLastAsLongAsTheyMay(t *testing.T) {
	w := newWorld(t)
	ref := w.backup("web1", "crm", w.vault)
	week := int64(MaxTicketLife / time.Second)
	made := w.ticket("ops", api.TicketRequest{Ref: ref, File: holdfast.ManifestFile, TTL: week})
	if want := noon.Add(MaxTicketLife); !made.Expires.Equal(want) {
		t.Errorf("expires %s, want %s", made.Expires, want)
	}
	for _, ttl := range []int64{-1, week + 1, 1 << 62} {
		answer[api.Problem](t, w.call("ops", "POST", api.PathTickets, api.TicketRequest{Ref: ref, File: holdfast.ManifestFile, TTL: ttl}), http.StatusBadRequest)
	}
	for _, file := range append(traversals, "other.sql") {
		if file == holdfast.ManifestFile {
			continue
		}
		answer[api.Problem](t, w.call("ops", "POST", api.PathTickets, api.TicketRequest{Ref: ref, File: file}), http.StatusNotFound)
	}
}

func TestTicketLastsNoLongerThanItsMakersRight(t *testing.T) {
	w := newWorld(t)
	ref := w.backup("db1", "crm", w.other)
	path := strings.TrimPrefix(w.ticket("clerk", api.TicketRequest{Ref: ref, File: holdfast.ManifestFile}).URL, brokerURL)
	delete(w.registry.principals, holdfast.KeyID(publicOf("clerk")))
	answer[api.Problem](t, w.serve("GET", path, nil, ""), http.StatusNotFound)
}

func TestTicketsOfTheAttackerAreRefused(t *testing.T) {
	w := newWorld(t)
	ref := w.backup("web1", "crm", w.vault)
	begun := w.start("web1", "crm")
	good := strings.TrimPrefix(w.ticket("ops", api.TicketRequest{Ref: ref, File: holdfast.ManifestFile}).URL, brokerURL+"/r/")
	part, err := w.sealer.Seal(token.KindPart, ticket{Ref: ref, File: holdfast.ManifestFile, Key: holdfast.KeyID(publicOf("ops"))}, w.clock.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	hosts, err := w.sealer.Seal(token.KindTicket, ticket{Ref: ref, File: holdfast.ManifestFile, Key: holdfast.KeyID(publicOf("web1"))}, w.clock.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	last := "A"
	if strings.HasSuffix(good, last) {
		last = "E"
	}
	for name, sealed := range map[string]string{
		"tampered":               good[:len(good)-1] + last,
		"cut":                    good[:len(good)-1],
		"an upload token":        begun.UploadToken,
		"a token of the disk":    part,
		"of a key without right": hosts,
		"nothing":                "x",
	} {
		t.Run(name, func(t *testing.T) {
			rec := w.serve("GET", "/r/"+sealed, nil, "")
			answer[api.Problem](t, rec, http.StatusNotFound)
			if rec.Header().Get("Location") != "" {
				t.Error("a location was given")
			}
		})
	}
}

func TestEverySignatureHasOneAuditLineWithoutWhatWasSigned(t *testing.T) {
	w := newWorld(t)
	ref := w.backup("web1", "crm", w.vault)
	answer[api.DownloadResponse](t, w.call("ops", "POST", api.PathDownloads, api.DownloadRequest{Ref: ref}), http.StatusOK)
	made := w.ticket("ops", api.TicketRequest{Ref: ref, File: holdfast.ManifestFile})
	sealed := strings.TrimPrefix(made.URL, brokerURL+"/r/")
	w.serve("GET", "/r/"+sealed, nil, "")
	w.serve("GET", "/r/"+sealed+"x", nil, "") // refused, and logged too
	got := map[string]int{}
	for line := range strings.Lines(w.log.String()) {
		var entry struct{ Msg, What, Host, Job, ID, Request string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		if entry.Msg != "signed" {
			continue
		}
		got[entry.What]++
		if entry.Host != ref.Host || entry.Job != ref.Job || entry.ID != string(ref.ID) || entry.Request == "" {
			t.Errorf("audit line lacks what it is about: %s", line)
		}
	}
	if diff := cmp.Diff(map[string]int{"part": 1, "download": 3, "ticket": 1}, got); diff != "" {
		t.Error(diff)
	}
	for _, hidden := range []string{"secret-signature", sealed[:40], "Bearer"} {
		if strings.Contains(w.log.String(), hidden) {
			t.Errorf("the log shows %q", hidden)
		}
	}
}

func TestHealthTellsWhetherVaultsAnswerAndAsksThemSeldom(t *testing.T) {
	w := newWorld(t)
	asked := 0
	var failure error
	w.vault.fail = func(string) error {
		asked++
		return failure
	}
	get := func(status int) api.Health {
		t.Helper()
		return answer[api.Health](t, w.serve("GET", api.PathHealth, nil, ""), status)
	}
	want := api.Health{OK: true, Version: "test", Now: noon, Vaults: map[string]string{"main": "ok", "other": "ok"}}
	for range 3 {
		if diff := cmp.Diff(want, get(http.StatusOK)); diff != "" {
			t.Error(diff)
		}
	}
	if asked != 1 {
		t.Errorf("vault was asked %d times, want once", asked)
	}
	failure = errors.New("bucket acme-backups: access denied")
	w.clock = w.clock.Add(healthAge)
	sick := get(http.StatusServiceUnavailable)
	if sick.OK || sick.Vaults["main"] == "ok" || sick.Vaults["other"] != "ok" || strings.Contains(sick.Vaults["main"], "acme") {
		t.Errorf("got %+v, want main down, without details", sick)
	}
}

func TestCallerThatHangsUpDoesNotMakeTheVaultSick(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, httptest.NewRequestWithContext(ctx, "GET", brokerURL+api.PathHealth, nil))
	if got := answer[api.Health](t, rec, http.StatusOK); !got.OK {
		t.Errorf("got %+v, want it well", got)
	}
}

func TestBrokerWithoutItsChecksIsNotMade(t *testing.T) {
	w := newWorld(t)
	for name, o := range map[string]Options{
		"no URL":      {Sealer: w.sealer, Registry: w.registry},
		"no sealer":   {PublicURL: brokerURL, Registry: w.registry},
		"no registry": {PublicURL: brokerURL, Sealer: w.sealer},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}

func TestTicketMadeWithTheSecretItselfIsRedeemed(t *testing.T) {
	w := newWorld(t)
	ref := w.backup("web1", "crm", w.vault)
	for file, status := range map[string]int{holdfast.ManifestFile: http.StatusFound, "other.sql": http.StatusNotFound} {
		link, err := Ticket(w.sealer, brokerURL+"/", "", ref, file, w.clock.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		path, ok := strings.CutPrefix(link, brokerURL)
		if !ok {
			t.Fatalf("link %q does not begin with the public URL", link)
		}
		if rec := w.serve("GET", path, nil, ""); rec.Code != status {
			t.Errorf("%s: got %d, want %d", file, rec.Code, status)
		}
	}
}
