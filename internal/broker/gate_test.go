package broker

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"

	"github.com/holdfast-backup/holdfast/internal/api"
)

// hang begins a call whose body does not come until end is called.
func (w *world) hang(who, path string, body []byte) (end func() *httptest.ResponseRecorder) {
	from, to := io.Pipe()
	r := httptest.NewRequest("POST", brokerURL+path, from)
	r.Header.Set("Authorization", "Bearer "+w.sign(who, "POST", path, body, w.clock))
	rec, done := httptest.NewRecorder(), make(chan struct{})
	go func() {
		defer close(done)
		w.handler.ServeHTTP(rec, r)
	}()
	// It is taken once the handler reads, which is after it was let in.
	if _, err := to.Write(body[:1]); err != nil {
		w.t.Fatal(err)
	}
	return func() *httptest.ResponseRecorder {
		if _, err := to.Write(body[1:]); err != nil {
			w.t.Error(err)
		}
		to.Close()
		<-done
		return rec
	}
}

// busy checks that a call is put off, in a way that the client tries again.
func busy(t *testing.T, rec *httptest.ResponseRecorder) {
	t.Helper()
	p := answer[api.Problem](t, rec, http.StatusTooManyRequests)
	if p.Type == api.ProblemQuota || p.Hint == "" || rec.Header().Get("Retry-After") == "" {
		t.Errorf("got %+v, Retry-After %q, want a hint, when to try again, and no quota", p, rec.Header().Get("Retry-After"))
	}
}

func TestAHostHasOneCommitUnderWayAndHoldsUpNobodyElses(t *testing.T) {
	synctest.Test(t, oneCommitUnderWay)
}

func oneCommitUnderWay(t *testing.T) {
	w := newWorld(t)
	begun, theirs := w.start("web1", "crm"), w.start("db1", "crm")
	w.upload("web1", w.vault, begun, 20)
	w.upload("db1", w.other, theirs, 20)
	path := idPath(api.PathCommit, begun.ID)
	body, err := json.Marshal(api.CommitRequest{UploadToken: begun.UploadToken, Manifest: w.signed("web1", w.manifest("web1", "crm", begun, 20))})
	if err != nil {
		t.Fatal(err)
	}
	first := w.hang("web1", path, body)
	r := httptest.NewRequest("POST", brokerURL+path, tripwire{t})
	r.Header.Set("Authorization", "Bearer "+w.sign("web1", "POST", path, body, w.clock))
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	busy(t, rec)             // after it has waited for its turn
	w.start("web1", "media") // another call of the same host
	answer[api.CommitResponse](t, w.commit("db1", theirs, w.signed("db1", w.manifest("db1", "crm", theirs, 20))), http.StatusOK)
	answer[api.CommitResponse](t, first(), http.StatusOK)
	answer[api.CommitResponse](t, w.serve("POST", path, body, "Bearer "+w.sign("web1", "POST", path, body, w.clock)), http.StatusOK)
}

func TestACommitWaitsForItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newPair(t)
		all := w.startAll("web1", "crm")
		a, b := in(t, all, "main"), in(t, all, "other")
		w.upload("web1", w.vault, a, 20)
		w.upload("web1", w.other, b, 20)
		doc := w.signed("web1", w.manifest("web1", "crm", a, 20))
		body, err := json.Marshal(api.CommitRequest{UploadToken: a.UploadToken, Manifest: doc})
		if err != nil {
			t.Fatal(err)
		}
		first := w.hang("web1", idPath(api.PathCommit, a.ID), body)
		second := make(chan int)
		go func() { second <- w.commit("web1", b, doc).Code }()
		synctest.Wait()
		answer[api.CommitResponse](t, first(), http.StatusOK)
		if code := <-second; code != http.StatusOK {
			t.Errorf("the one that waited: got %d", code)
		}
		if len(w.broker.gate.doors) != 0 {
			t.Errorf("%d doors are remembered, want none", len(w.broker.gate.doors))
		}
	})
}

func TestAHostHasAFewCallsUnderWay(t *testing.T) {
	w := newWorld(t)
	body := []byte(`{"job":"crm","streams":[]}`)
	var ends []func() *httptest.ResponseRecorder
	for range usual.atOnce {
		ends = append(ends, w.hang("web1", api.PathStart, body))
	}
	busy(t, w.call("web1", "POST", api.PathStart, body))
	w.start("db1", "crm")
	for _, end := range ends {
		answer[api.Problem](t, end(), http.StatusBadRequest)
	}
	w.start("web1", "crm")
}
