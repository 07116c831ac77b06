package broker

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

func TestDownloadsComeFromTheFirstVaultThatAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*world)
		only   string
		want   string
	}{
		"the job's first":                {func(*world) {}, "", "main"},
		"the job's order":                {func(w *world) { w.registry.vaults["web1/crm"] = []string{"other", "main"} }, "", "other"},
		"the next while one is away":     {func(w *world) { w.vault.fail = away }, "", "other"},
		"the next where one cannot sign": {func(w *world) { w.vault.fail = onlyAt("SignDownload") }, "", "other"},
		"the next where one lacks it": {func(w *world) {
			w.vault.objects = map[string]fakeObject{}
		}, "", "other"},
		"the one that is asked for":   {func(*world) {}, "other", "other"},
		"a vault that the job left":   {func(w *world) { w.registry.vaults["web1/crm"] = []string{"third"} }, "", "main"},
		"a job nobody knows any more": {func(w *world) { delete(w.registry.vaults, "web1/crm") }, "", "main"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newPair(t)
			ref := w.both()
			test.change(w)
			got := answer[api.DownloadResponse](t, w.call("ops", "POST", api.PathDownloads, api.DownloadRequest{Ref: ref, Vault: test.only}), http.StatusOK)
			if got.Vault != test.want {
				t.Errorf("got it from %q, want %q", got.Vault, test.want)
			}
			link := answer[api.TicketResponse](t, w.call("ops", "POST", api.PathTickets, api.TicketRequest{Ref: ref, File: holdfast.ManifestFile, Vault: test.only}), http.StatusOK)
			rec := w.serve("GET", strings.TrimPrefix(link.URL, brokerURL), nil, "")
			if rec.Code != http.StatusFound {
				t.Errorf("ticket: got %d %s", rec.Code, rec.Body)
			}
		})
	}
}

func onlyAt(op string) func(string) error {
	return func(o string) error {
		if o == op {
			return errAway
		}
		return nil
	}
}

func TestAVaultThatHangsHoldsUpNoDownloadForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPair(t)
		ref := w.both()
		w.vault.hang = "List"
		began := time.Now()
		got := answer[api.DownloadResponse](t, w.call("ops", "POST", api.PathDownloads, api.DownloadRequest{Ref: ref}), http.StatusOK)
		if took := time.Since(began); got.Vault != "other" || took > placeTime {
			t.Errorf("got it from %q after %s", got.Vault, took)
		}
	})
}

func TestABackupThatNoVaultCanGive(t *testing.T) {
	w := newPair(t)
	ref := w.both()
	ask := func(only string) *api.Problem {
		rec := w.call("ops", "POST", api.PathDownloads, api.DownloadRequest{Ref: ref, Vault: only})
		p := answer[api.Problem](t, rec, rec.Code)
		return &p
	}
	if p := ask("third"); p.Status != http.StatusNotFound {
		t.Errorf("a vault that is not there: got %+v", p)
	}
	// One is away and the other has it not: it may come back.
	w.vault.fail = away
	w.other.objects = map[string]fakeObject{}
	if p := ask(""); p.Status != http.StatusServiceUnavailable {
		t.Errorf("away: got %+v, want 503", p)
	}
	// It may lie where the broker cannot look, and who may restore it is told so.
	w.vault.fail, w.vault.objects = nil, map[string]fakeObject{}
	w.registry.vaults["web1/crm"], w.registry.direct = []string{"main", "nas"}, []string{"nas"}
	if p := ask(""); p.Status != http.StatusNotFound || !strings.Contains(p.Detail, "nas") || !strings.Contains(p.Hint, "without --broker") {
		t.Errorf("in nas: got %+v", p)
	}
	rec := w.call("clerk", "POST", api.PathDownloads, api.DownloadRequest{Ref: ref})
	if p := answer[api.Problem](t, rec, http.StatusNotFound); strings.Contains(rec.Body.String(), "nas") {
		t.Errorf("who may not restore it is told: %+v", p)
	}
}

func TestAListingHasWhatTheVaultsHaveThatAnswer(t *testing.T) {
	w := newPair(t)
	ref := w.both()
	list := func() (places map[string]string, missing map[string]string) {
		got := answer[api.ListResponse](t, w.call("ops", "GET", api.PathStart, nil), http.StatusOK)
		places = map[string]string{}
		for _, b := range got.Backups {
			places[b.Vault] = b.Ref.String()
		}
		return places, unavailable(got.Unavailable)
	}
	places, missing := list()
	if diff := cmp.Diff(map[string]string{"main": ref.String(), "other": ref.String()}, places); diff != "" || len(missing) > 0 {
		t.Error(diff, missing)
	}
	w.other.fail = away
	places, missing = list()
	if diff := cmp.Diff(map[string]string{"main": ref.String()}, places); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"other": "the vault failed"}, missing); diff != "" {
		t.Error(diff)
	}
	w.vault.fail = away
	answer[api.Problem](t, w.call("ops", "GET", api.PathStart, nil), http.StatusServiceUnavailable)
}
