package broker

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

var errAway = errors.New("store is away: secret detail")

func away(string) error { return errAway }

// newPair is a world whose web1/crm lives in both vaults.
func newPair(t testing.TB) *world {
	w := newWorld(t)
	w.registry.vaults["web1/crm"] = []string{"main", "other"}
	return w
}

// in returns what began in one of the vaults.
func in(t testing.TB, all api.StartResponse, vault string) begun {
	t.Helper()
	i := slices.IndexFunc(all.Vaults, func(v api.VaultUpload) bool { return v.Vault == vault })
	if i < 0 {
		t.Fatalf("nothing began in %s: %+v", vault, all)
	}
	return begun{all, all.Vaults[i]}
}

// both makes a whole backup in both vaults.
func (w *world) both() holdfast.Ref {
	w.t.Helper()
	all := w.startAll("web1", "crm")
	var ref holdfast.Ref
	for name, vault := range map[string]*fakeVault{"main": w.vault, "other": w.other} {
		one := in(w.t, all, name)
		w.upload("web1", vault, one, 20)
		ref = answer[api.CommitResponse](w.t, w.commit("web1", one, w.signed("web1", w.manifest("web1", "crm", one, 20))), http.StatusOK).Ref
	}
	return ref
}

func unavailable(all []api.Unavailable) map[string]string {
	found := map[string]string{}
	for _, u := range all {
		found[u.Vault] = u.Reason
	}
	return found
}

func TestABackupIsAdmittedToAllVaultsUnderOneID(t *testing.T) {
	w := newPair(t)
	all := w.startAll("web1", "crm", "crm", "media")
	if len(all.Vaults) != 2 || all.Vaults[0].Vault != "main" || all.Vaults[1].Vault != "other" || len(all.Unavailable)+len(all.Direct) > 0 {
		t.Fatalf("got %+v, want uploads in main and other, in the job's order", all)
	}
	ref := holdfast.Ref{Host: "web1", Job: "crm", ID: all.ID}
	doc := map[string][]byte{}
	for name, vault := range map[string]*fakeVault{"main": w.vault, "other": w.other} {
		one := in(t, all, name)
		w.upload("web1", vault, one, 20)
		doc[name] = w.signed("web1", w.manifest("web1", "crm", one, 20))
	}
	answer[api.CommitResponse](t, w.commit("web1", in(t, all, "other"), doc["other"]), http.StatusOK)
	if n := len(w.vault.snapshot()); n != 0 {
		t.Errorf("the commit in other made %d objects in main", n)
	}
	rec := w.call("web1", "POST", idPath(api.PathAbort, all.ID), api.AbortRequest{UploadToken: in(t, all, "main").UploadToken})
	answer[struct{}](t, rec, http.StatusNoContent)
	if len(w.vault.uploads) != 0 {
		t.Errorf("%d uploads are left in main after its abort", len(w.vault.uploads))
	}
	want := map[string]int64{ref.Key("crm.sql.zst.age"): 20, ref.Key("media.sql.zst.age"): 20, ref.ManifestKey(): int64(len(doc["other"]))}
	if diff := cmp.Diff(want, w.other.snapshot()); diff != "" {
		t.Errorf("other, after the abort in main: %s", diff)
	}
	if !slices.Equal(w.admitted, []holdfast.Ref{ref}) || !slices.Equal(w.places, []string{"other"}) {
		t.Errorf("Committed was told of %v in %v, want other's alone", w.admitted, w.places)
	}
}

func TestAVaultThatCannotTakeABackupDoesNotStopTheOthers(t *testing.T) {
	for name, test := range map[string]struct {
		spoil  func(*world)
		reason string
	}{
		"it is away": {func(w *world) { w.vault.fail = away }, "the vault failed"},
		"it is full": {func(w *world) {
			w.vault.fail = func(op string) error {
				if op == "StartUpload" {
					return holdfast.ErrFull
				}
				return nil
			}
		}, "vault full"},
		"the job has had its share there": {func(w *world) {
			for i := range w.registry.quota.MaxPerDay {
				id := holdfast.ID(fmt.Sprintf("20251028T00000%dZ-00000000", i))
				w.vault.objects[holdfast.Ref{Host: "web1", Job: "crm", ID: id}.ManifestKey()] = fakeObject{size: 1}
			}
		}, "over quota: 5 backups were begun today (UTC), and 5 are allowed"},
		"it is not there":           {func(w *world) { delete(w.broker.push, "main") }, "the vault failed"},
		"it makes the broker panic": {func(w *world) { w.vault.fail = func(string) error { panic("secret detail") } }, "the broker failed"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newPair(t)
			test.spoil(w)
			all := w.startAll("web1", "crm")
			if diff := cmp.Diff(map[string]string{"main": test.reason}, unavailable(all.Unavailable)); diff != "" {
				t.Error(diff)
			}
			one := in(t, all, "other")
			w.upload("web1", w.other, one, 20)
			answer[api.CommitResponse](t, w.commit("web1", one, w.signed("web1", w.manifest("web1", "crm", one, 20))), http.StatusOK)
			if !strings.Contains(w.log.String(), `"msg":"vault unavailable","vault":"main"`) {
				t.Errorf("the log does not say why: %s", w.log)
			}
			w.other.fail = away
			rec := w.call("web1", "POST", api.PathStart, api.StartRequest{Job: "crm", Streams: []api.StartStream{{Name: "crm", File: "x"}}})
			if p := answer[api.Problem](t, rec, rec.Code); p.Status < http.StatusInternalServerError || strings.Contains(rec.Body.String(), "secret detail") {
				t.Errorf("got %+v, want a failure without details", p)
			}
		})
	}
}

func TestAPanicThatCutsTheConnectionCutsItAndNotTheProcess(t *testing.T) {
	w := newPair(t)
	w.vault.fail = func(string) error { panic(http.ErrAbortHandler) }
	defer func() {
		if got := recover(); got != http.ErrAbortHandler {
			t.Errorf("got %v, want the connection to be cut", got)
		}
	}()
	w.startAll("web1", "crm")
	t.Error("it was answered")
}

func TestTheErrorThatMayMendCountsWhereEachVaultFails(t *testing.T) {
	w := newPair(t)
	w.registry.quota.MaxPerDay = 1
	w.both()
	rec := w.call("web1", "POST", api.PathStart, api.StartRequest{Job: "crm", Streams: []api.StartStream{{Name: "crm", File: "x"}}})
	answer[api.Problem](t, rec, http.StatusTooManyRequests)
	for _, down := range []*fakeVault{w.vault, w.other} {
		down.fail = away
		rec := w.call("web1", "POST", api.PathStart, api.StartRequest{Job: "crm", Streams: []api.StartStream{{Name: "crm", File: "x"}}})
		answer[api.Problem](t, rec, http.StatusServiceUnavailable)
		down.fail = nil
	}
	// A full vault is not retried; one that is away may be back.
	w.registry.quota.MaxPerDay = 9
	w.vault.fail, w.other.fail = func(string) error { return holdfast.ErrFull }, away
	rec = w.call("web1", "POST", api.PathStart, api.StartRequest{Job: "crm", Streams: []api.StartStream{{Name: "crm", File: "x"}}})
	answer[api.Problem](t, rec, http.StatusServiceUnavailable)
}

func TestAVaultThatHangsHoldsUpNoStartForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPair(t)
		w.vault.hang = "List"
		began := time.Now()
		all := w.startAll("web1", "crm")
		if took := time.Since(began); took > beginTime+cleanupTime {
			t.Errorf("took %s", took)
		}
		if diff := cmp.Diff(map[string]string{"main": "took too long"}, unavailable(all.Unavailable)); diff != "" || len(all.Vaults) != 1 {
			t.Errorf("%d vaults; %s", len(all.Vaults), diff)
		}
		rec := w.call("web1", "POST", api.PathReports, holdfast.Report{Kind: holdfast.ReportFailure, Job: "crm", Error: "x"})
		answer[api.ReportResponse](t, rec, http.StatusOK)
	})
}

func TestVaultsThatTheBrokerCannotSignForAreLeftToTheHost(t *testing.T) {
	w := newPair(t)
	w.registry.vaults["web1/crm"] = []string{"nas", "main"}
	w.registry.vaults["web1/media"] = []string{"nas"}
	w.registry.direct = []string{"nas"}
	all := w.startAll("web1", "crm")
	if in(t, all, "main"); !slices.Equal(all.Direct, []string{"nas"}) || len(all.Vaults) != 1 || len(all.Unavailable) > 0 {
		t.Errorf("got %+v, want an upload in main, and nas as direct", all)
	}
	only := w.startAll("web1", "media")
	if len(only.Vaults)+len(only.Unavailable) > 0 || !slices.Equal(only.Direct, []string{"nas"}) || !only.ID.Time().Equal(noon) {
		t.Errorf("got %+v, want an id and nas as direct", only)
	}
	for range 2 * maxStartsPerJob {
		w.call("web1", "POST", api.PathStart, api.StartRequest{Job: "media", Streams: []api.StartStream{{Name: "media", File: "x"}}})
	}
	rec := w.call("web1", "POST", api.PathStart, api.StartRequest{Job: "media", Streams: []api.StartStream{{Name: "media", File: "x"}}})
	answer[api.Problem](t, rec, http.StatusTooManyRequests)
	rec = w.call("web1", "POST", api.PathReports, holdfast.Report{Kind: holdfast.ReportFailure, Job: "media"})
	if p := answer[api.Problem](t, rec, http.StatusUnprocessableEntity); !strings.Contains(p.Detail, "nas") {
		t.Errorf("report: got %+v, want it to name nas", p)
	}
}

func TestNoHostSendsToAVaultThatIsCopiedTo(t *testing.T) {
	w := newPair(t)
	w.registry.vaults["web1/crm"] = []string{"nas", "other", "main"}
	ref := w.both()
	w.registry.direct, w.registry.copied = []string{"nas"}, []string{"other", "nas"}

	all := w.startAll("web1", "crm")
	if in(t, all, "main"); len(all.Vaults) != 1 || len(all.Unavailable)+len(all.Direct) > 0 {
		t.Errorf("got %+v, want an upload in main alone", all)
	}
	before := len(w.other.snapshot())
	answer[api.ReportResponse](t, w.call("web1", "POST", api.PathReports, holdfast.Report{Kind: holdfast.ReportFailure, Job: "crm", Error: "x"}), http.StatusOK)
	if n := len(w.other.snapshot()) - before; n != 0 {
		t.Errorf("the host's report made %d objects in the vault that is copied to", n)
	}
	// Restores go there as to any other.
	w.vault.fail = away
	got := answer[api.DownloadResponse](t, w.call("ops", "POST", api.PathDownloads, api.DownloadRequest{Ref: ref}), http.StatusOK)
	if got.Vault != "other" {
		t.Errorf("got downloads from %q, want other", got.Vault)
	}
}

func TestATokenIsGoodForItsVaultAlone(t *testing.T) {
	w := newPair(t)
	all := w.startAll("web1", "crm")
	a, b := in(t, all, "main"), in(t, all, "other")
	doc := w.signed("web1", w.manifest("web1", "crm", a, 20))
	w.upload("web1", w.other, b, 20)

	// What was sent to one vault does not make a backup in the other.
	answer[api.Problem](t, w.commit("web1", a, doc), http.StatusUnprocessableEntity)
	// A part that is signed with main's token is main's.
	req := api.PartsRequest{UploadToken: a.UploadToken, Stream: "crm", Parts: []holdfast.Part{{Number: 1, Size: 20, Sum: sum("evil")}}}
	signed := answer[api.PartsResponse](t, w.call("web1", "POST", idPath(api.PathParts, a.ID), req), http.StatusOK)
	w.vault.send(t, signed.Requests)
	for _, u := range w.other.uploads {
		if u.parts[1].Sum != sum("part") {
			t.Errorf("other holds the part %+v", u.parts[1])
		}
	}
	if len(w.vault.snapshot())+len(w.other.snapshot()) != 0 {
		t.Error("objects are visible")
	}

	for name, change := range map[string]func(){
		"the job left the vault":          func() { w.registry.vaults["web1/crm"] = []string{"main"} },
		"the vault is signed for no more": func() { w.registry.direct = []string{"other"} },
		"the vault is filled otherwise":   func() { w.registry.copied = []string{"other"} },
		"the vault is gone":               func() { delete(w.broker.push, "other") },
	} {
		t.Run(name, func(t *testing.T) {
			vaults, direct, push := w.registry.vaults["web1/crm"], w.registry.direct, maps.Clone(w.broker.push)
			defer func() {
				w.registry.vaults["web1/crm"], w.registry.direct, w.broker.push = vaults, direct, push
				w.registry.copied = nil
			}()
			change()
			part := api.PartsRequest{UploadToken: b.UploadToken, Stream: "crm", Parts: req.Parts}
			answer[api.Problem](t, w.call("web1", "POST", idPath(api.PathParts, b.ID), part), http.StatusNotFound)
			answer[api.Problem](t, w.call("web1", "POST", idPath(api.PathAbort, b.ID), api.AbortRequest{UploadToken: b.UploadToken}), http.StatusNotFound)
			answer[api.Problem](t, w.commit("web1", b, doc), http.StatusNotFound)
		})
	}
	answer[api.CommitResponse](t, w.commit("web1", b, doc), http.StatusOK)
}

func TestReportsReachEachVault(t *testing.T) {
	w := newPair(t)
	report := holdfast.Report{Kind: holdfast.ReportFailure, Job: "crm", Error: "x"}
	stored := answer[api.ReportResponse](t, w.call("web1", "POST", api.PathReports, report), http.StatusOK)
	key := holdfast.ReportKey("web1", "crm", stored.ID)
	if w.vault.snapshot()[key] == 0 || w.other.snapshot()[key] == 0 {
		t.Error("the report is not in both vaults")
	}
	if slices.Sort(w.places); !slices.Equal(w.places, []string{"main", "other"}) {
		t.Errorf("Committed was told of %v", w.places)
	}
	w.vault.fail = away
	stored = answer[api.ReportResponse](t, w.call("web1", "POST", api.PathReports, report), http.StatusOK)
	if w.other.snapshot()[holdfast.ReportKey("web1", "crm", stored.ID)] == 0 {
		t.Error("the report is not in the vault that is left")
	}
	w.other.fail = away
	answer[api.Problem](t, w.call("web1", "POST", api.PathReports, report), http.StatusServiceUnavailable)
}

func TestCommitsToSeveralVaultsDoNotWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPair(t)
		all := w.startAll("web1", "crm")
		a, b := in(t, all, "main"), in(t, all, "other")
		w.upload("web1", w.vault, a, 20)
		w.upload("web1", w.other, b, 20)
		doc := w.signed("web1", w.manifest("web1", "crm", a, 20))
		w.vault.hang = "CompleteUpload"
		done := make(chan int)
		go func() { done <- w.commit("web1", a, doc).Code }()
		synctest.Wait()
		answer[api.CommitResponse](t, w.commit("web1", b, doc), http.StatusOK)
		if code := <-done; code != http.StatusServiceUnavailable {
			t.Errorf("the commit that hangs: got %d", code)
		}
	})
}
