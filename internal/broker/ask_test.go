package broker

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

// freeze has the vault heed no context, as a directory on a mount that hangs, until
// thaw is called. asked is how often it was asked since.
func (v *fakeVault) freeze() (asked func() int, thaw func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	stuck := make(chan struct{})
	v.stuck, v.asked = stuck, 0
	return func() int {
			v.mu.Lock()
			defer v.mu.Unlock()
			return v.asked
		}, func() {
			v.mu.Lock()
			v.stuck = nil
			v.mu.Unlock()
			close(stuck)
		}
}

func TestAVaultThatHeedsNoContextHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPair(t)
		ref := w.both()
		asked, thaw := w.vault.freeze()
		start := func(reason string, most time.Duration) {
			t.Helper()
			began := time.Now()
			all := w.startAll("web1", "crm")
			if took := time.Since(began); took > most {
				t.Errorf("took %s, want at most %s", took, most)
			}
			if diff := cmp.Diff(map[string]string{"main": reason}, unavailable(all.Unavailable)); diff != "" || len(all.Vaults) != 1 {
				t.Errorf("%d vaults; %s", len(all.Vaults), diff)
			}
		}
		start("took too long", beginTime+leaveTime)
		for range 2 { // none is left behind again
			start("the vault does not answer", 0)
		}
		report := holdfast.Report{Kind: holdfast.ReportFailure, Job: "crm", Error: "x"}
		answer[api.ReportResponse](t, w.call("web1", "POST", api.PathReports, report), http.StatusOK)
		got := answer[api.DownloadResponse](t, w.call("ops", "POST", api.PathDownloads, api.DownloadRequest{Ref: ref}), http.StatusOK)
		if got.Vault != "other" {
			t.Errorf("got a download from %s", got.Vault)
		}
		if n := asked(); n != 1 {
			t.Errorf("asked %d times, want once until it comes back", n)
		}

		thaw()
		synctest.Wait()
		if all := w.startAll("web1", "crm"); len(all.Vaults) != 2 || len(all.Unavailable) > 0 {
			t.Errorf("got %+v, want both again", all)
		}
	})
}

func TestAnOnlyVaultThatHeedsNoContextIsAnsweredFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		asked, thaw := w.vault.freeze()
		defer thaw()
		for range 3 {
			rec := w.call("web1", "POST", api.PathStart, api.StartRequest{Job: "crm", Streams: []api.StartStream{{Name: "crm", File: "x"}}})
			answer[api.Problem](t, rec, http.StatusServiceUnavailable)
		}
		if n := asked(); n != 1 {
			t.Errorf("asked %d times, want once", n)
		}
	})
}

// Whoever hangs up must not have the vault pass for one that does not answer.
func TestACallThatIsHungUpLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPair(t)
		w.vault.hang = "List"
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, errs := inEach(ctx, w.broker, "", []string{"main"}, beginTime, func(ctx context.Context, _ string) (struct{}, error) {
				for _, err := range w.vault.List(ctx, "") {
					return struct{}{}, err
				}
				return struct{}{}, nil
			})
			done <- errs[0]
		}()
		synctest.Wait()
		cancel()
		if err := <-done; err != context.Canceled {
			t.Errorf("got %v", err)
		}
		w.vault.hang = ""
		if all := w.startAll("web1", "crm"); len(all.Vaults) != 2 {
			t.Errorf("got %+v", all)
		}
	})
}

func TestHealthAnswersWhileAVaultHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPair(t)
		asked, thaw := w.vault.freeze()
		defer thaw()
		health := func(ctx context.Context) *httptest.ResponseRecorder {
			rec := httptest.NewRecorder()
			w.broker.Handler().ServeHTTP(rec, httptest.NewRequestWithContext(ctx, "GET", api.PathHealth, nil))
			return rec
		}
		began := time.Now()
		all := make(chan *httptest.ResponseRecorder)
		for range 5 {
			go func() { all <- health(t.Context()) }()
		}
		synctest.Wait()
		if !w.broker.health.mu.TryLock() {
			t.Fatal("the lock is held while vaults are asked")
		}
		w.broker.health.mu.Unlock()
		hungUp, cancel := context.WithCancel(t.Context())
		cancel()
		if rec := health(hungUp); rec.Code != http.StatusServiceUnavailable || time.Since(began) > 0 {
			t.Errorf("who hangs up gets %d after %s", rec.Code, time.Since(began))
		}
		want := map[string]string{"main": "does not answer", "other": "ok"}
		for range 5 {
			if diff := cmp.Diff(want, answer[api.Health](t, <-all, http.StatusServiceUnavailable).Vaults); diff != "" {
				t.Error(diff)
			}
		}
		if took := time.Since(began); took > healthTime+leaveTime {
			t.Errorf("took %s", took)
		}
		time.Sleep(2 * healthAge) // of the bubble's clock
		began = time.Now()
		if diff := cmp.Diff(want, answer[api.Health](t, health(t.Context()), http.StatusServiceUnavailable).Vaults); diff != "" || time.Since(began) > 0 {
			t.Errorf("%s after %s", diff, time.Since(began))
		}
		if n := asked(); n != 1 {
			t.Errorf("asked %d times, want once", n)
		}
	})
}
