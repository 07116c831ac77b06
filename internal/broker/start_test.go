package broker

import (
	"encoding/json"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

func TestTooManyBackupsADay(t *testing.T) {
	w := newWorld(t)
	// Committed, unfinished and committed again: all count, each once.
	w.backup("web1", "crm", w.vault)
	w.start("web1", "crm", "crm", "media")
	w.start("web1", "crm")
	w.start("web1", "crm")
	w.backup("web1", "crm", w.vault)
	req := api.StartRequest{Job: "crm", Streams: []api.StartStream{{Name: "crm", File: "crm.sql"}}}
	p := answer[api.Problem](t, w.call("web1", "POST", api.PathStart, req), http.StatusTooManyRequests)
	if p.Type != api.ProblemQuota {
		t.Errorf("got type %q, want %q", p.Type, api.ProblemQuota)
	}
	w.start("web1", "media") // another job has its own
	w.clock = w.clock.Add(12*time.Hour - time.Second)
	answer[api.Problem](t, w.call("web1", "POST", api.PathStart, req), http.StatusTooManyRequests)
	w.clock = w.clock.Add(time.Second)
	answer[api.StartResponse](t, w.call("web1", "POST", api.PathStart, req), http.StatusOK)
}

func TestBurstOfStartsStaysWithinTheQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		// Long enough that all have counted before the first has begun.
		w.vault.slow = func() { time.Sleep(time.Millisecond) }
		var group sync.WaitGroup
		for range 20 {
			body, err := json.Marshal(api.StartRequest{Job: "crm", Streams: []api.StartStream{{Name: "crm", File: "crm.sql"}}})
			if err != nil {
				t.Fatal(err)
			}
			signed := w.sign("web1", "POST", api.PathStart, body, w.clock)
			group.Go(func() { w.serve("POST", api.PathStart, body, "Bearer "+signed) })
		}
		group.Wait()
		if got := len(w.vault.uploads); got != 5 {
			t.Errorf("%d backups were begun, want 5", got)
		}
	})
}

func TestQuotaOfNothingAdmitsNothing(t *testing.T) {
	w := newWorld(t)
	req := api.StartRequest{Job: "crm", Streams: []api.StartStream{{Name: "crm", File: "crm.sql"}}}
	w.registry.quota = holdfast.Quota{MaxPerDay: 5}
	answer[api.Problem](t, w.call("web1", "POST", api.PathStart, req), http.StatusRequestEntityTooLarge)
	w.registry.quota = holdfast.Quota{MaxSize: 1}
	answer[api.Problem](t, w.call("web1", "POST", api.PathStart, req), http.StatusTooManyRequests)
}

func TestStartThatFailsHalfwayLeavesNoUpload(t *testing.T) {
	w := newWorld(t)
	calls := 0
	w.vault.fail = func(op string) error {
		if op == "StartUpload" {
			if calls++; calls == 3 {
				return holdfast.ErrFull
			}
		}
		return nil
	}
	req := api.StartRequest{Job: "crm", Streams: []api.StartStream{{Name: "a", File: "a"}, {Name: "b", File: "b"}, {Name: "c", File: "c"}}}
	p := answer[api.Problem](t, w.call("web1", "POST", api.PathStart, req), http.StatusInsufficientStorage)
	if p.Type != api.ProblemFull {
		t.Errorf("got type %q, want %q", p.Type, api.ProblemFull)
	}
	if len(w.vault.uploads) != 0 {
		t.Errorf("%d uploads are left, want none", len(w.vault.uploads))
	}
}
