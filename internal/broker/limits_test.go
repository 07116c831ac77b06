package broker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

// took returns how many bytes were allocated while do ran.
func took(do func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// dense is a commit of 4 MiB that would take many times that once decoded.
func dense(uploadToken string) []byte {
	return []byte(`{"upload_token":"` + uploadToken + `","etags":{"crm":["` + strings.Repeat(`","`, (4<<20)/3) + `"]}}`)
}

func TestCommitTakesNoMemoryForWhatIsNotYetBelieved(t *testing.T) {
	w := newWorld(t)
	begun := w.start("web1", "crm")
	path := idPath(api.PathCommit, begun.ID)
	for name, c := range map[string]struct {
		body   []byte
		status int
	}{
		"of nobody's upload": {dense("x"), http.StatusNotFound},
		"of its own":         {dense(begun.UploadToken), http.StatusBadRequest},
		"of no upload":       {[]byte(`{"etags":[` + strings.Repeat("[],", 1<<20) + `[]]}`), http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			bearer := "Bearer " + w.sign("web1", "POST", path, c.body, w.clock)
			var rec *httptest.ResponseRecorder
			got := took(func() { rec = w.serve("POST", path, c.body, bearer) })
			answer[api.Problem](t, rec, c.status)
			if most := int64(len(c.body)) + 1<<20; got > most {
				t.Errorf("took %d MiB, want the body's %d MiB and little more", got>>20, len(c.body)>>20)
			}
		})
	}
}

func TestListsOfACallAreBoundBeforeTheyAreDecoded(t *testing.T) {
	w := newWorld(t)
	begun := w.start("web1", "crm")
	many := strings.Repeat("{},", (api.MaxBody-20<<10)/3) + "{}"
	for path, body := range map[string]string{
		api.PathStart:                   `{"job":"crm","streams":[` + many + `]}`,
		idPath(api.PathParts, begun.ID): `{"upload_token":"` + begun.UploadToken + `","stream":"crm","parts":[` + many + `]}`,
	} {
		bearer := "Bearer " + w.sign("web1", "POST", path, []byte(body), w.clock)
		var rec *httptest.ResponseRecorder
		got := took(func() { rec = w.serve("POST", path, []byte(body), bearer) })
		answer[api.Problem](t, rec, http.StatusBadRequest)
		if got > 1<<20 {
			t.Errorf("%s: took %d KiB", path, got>>10)
		}
	}
}

func TestBodyThatSaysItIsTooLongIsNotRead(t *testing.T) {
	w := newWorld(t)
	for path, most := range map[string]int64{api.PathStart: api.MaxBody, idPath(api.PathCommit, "20251028T120000Z-00000000"): api.MaxCommitBody} {
		r := httptest.NewRequest("POST", brokerURL+path, tripwire{t})
		r.ContentLength = most + 1
		r.Header.Set("Authorization", "Bearer "+w.sign("web1", "POST", path, nil, w.clock))
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, r)
		answer[api.Problem](t, rec, http.StatusRequestEntityTooLarge)
	}
}

func TestStartingAndAbortingIsNotFree(t *testing.T) {
	w := newWorld(t)
	for range maxStartsPerJob {
		begun := w.start("web1", "crm")
		answer[struct{}](t, w.call("web1", "POST", idPath(api.PathAbort, begun.ID), api.AbortRequest{UploadToken: begun.UploadToken}), http.StatusNoContent)
		w.clock = w.clock.Add(time.Second)
	}
	req := api.StartRequest{Job: "crm", Streams: []api.StartStream{{Name: "crm", File: "crm.sql"}}}
	rec := w.call("web1", "POST", api.PathStart, req)
	busy(t, rec)
	if got, want := rec.Header().Get("Retry-After"), fmt.Sprint(60-maxStartsPerJob); got != want {
		t.Errorf("got Retry-After %s, want %s", got, want)
	}
	w.start("web1", "media")
	w.start("db1", "crm")
	w.clock = w.clock.Add(time.Duration(60-maxStartsPerJob) * time.Second)
	w.start("web1", "crm")
	busy(t, w.call("web1", "POST", api.PathStart, req))
}

func TestPaceIsKeptByNameForAMinute(t *testing.T) {
	var p pace
	for i := range 3 {
		p.note(noon.Add(time.Duration(i)*time.Second), "a", "b")
	}
	later := noon.Add(10 * time.Second)
	if got, want := p.wait("a", 3, later), 50*time.Second; got != want {
		t.Errorf("wait: got %s, want %s", got, want)
	}
	if got, want := p.wait("a", 2, later), 51*time.Second; got != want {
		t.Errorf("wait for the second last: got %s, want %s", got, want)
	}
	if got := p.wait("c", 1, later); got != 0 {
		t.Errorf("another name: got %s, want 0", got)
	}
	if got := p.wait("a", 3, noon.Add(time.Minute)); got != 0 {
		t.Errorf("a minute later: got %s, want 0", got)
	}
	if got := p.wait("a", 3, noon.Add(-time.Hour)); got != 0 {
		t.Errorf("the clock was set back: got %s, want 0", got)
	}
	for i := range 3 * paceForget {
		p.note(noon.Add(time.Duration(i)*time.Second), fmt.Sprint("made up ", i))
	}
	if got := len(p.done); got > paceForget+60 {
		t.Errorf("%d names are remembered", got)
	}
}

func TestManifestCountsTowardsMaxSize(t *testing.T) {
	w := newWorld(t)
	begun := w.start("web1", "crm")
	w.upload("web1", w.vault, begun, 20)
	doc := w.signed("web1", w.manifest("web1", "crm", begun, 20))
	size := holdfast.Size(20 + len(doc))
	for _, c := range []struct {
		quota  holdfast.Size
		status int
	}{{size - 1, http.StatusRequestEntityTooLarge}, {size, http.StatusOK}} {
		w.registry.quota.MaxSize = c.quota
		begun := w.start("web1", "crm")
		w.upload("web1", w.vault, begun, 20)
		doc := w.signed("web1", w.manifest("web1", "crm", begun, 20))
		if rec := w.commit("web1", begun, doc); rec.Code != c.status {
			t.Errorf("max_size %d of %d: got %d, want %d: %s", c.quota, size, rec.Code, c.status, rec.Body)
		}
	}
}

func TestWhatACallerSaysIsCutInLogAndAnswer(t *testing.T) {
	w := newWorld(t)
	begun := w.start("web1", "crm")
	name := "red\x1b[31m" + strings.Repeat("A", 200<<10)
	unknown := `"` + strings.ReplaceAll(name, "\x1b", `\u001b`) + `":1`
	for path, body := range map[string]string{
		api.PathStart:                    `{` + unknown + `}`,
		api.PathReports:                  `{"kind":"failure","job":"` + strings.Repeat("j", 200<<10) + `"}`,
		idPath(api.PathParts, begun.ID):  `{"upload_token":"` + begun.UploadToken + `","stream":"` + strings.Repeat("s", 200<<10) + `"}`,
		idPath(api.PathAbort, begun.ID):  `{"upload_token":"` + begun.UploadToken + `",` + unknown + `}`,
		idPath(api.PathCommit, begun.ID): `{"upload_token":"` + begun.UploadToken + `","` + strings.Repeat("A", 4<<20) + `":1}`,
	} {
		before := w.log.Len()
		rec := w.call("web1", "POST", path, []byte(body))
		if rec.Code < 400 || rec.Code >= 500 {
			t.Errorf("%s: got %d", path, rec.Code)
		}
		if logged := w.log.Len() - before; logged > 2*maxSaid || rec.Body.Len() > 2*maxSaid {
			t.Errorf("%s: %d bytes are logged, %d answered", path, logged, rec.Body.Len())
		}
		if strings.Contains(rec.Body.String()+w.log.String(), `\u001b`) {
			t.Errorf("%s: a control character is repeated", path)
		}
	}
}

func TestPanicIsLoggedAndAnswered(t *testing.T) {
	w := newWorld(t)
	w.vault.fail = func(string) error { panic("the vault's secret detail") }
	req := api.StartRequest{Job: "crm", Streams: []api.StartStream{{Name: "crm", File: "crm.sql"}}}
	rec := w.call("web1", "POST", api.PathStart, req)
	p := answer[api.Problem](t, rec, http.StatusInternalServerError)
	if p.RequestID == "" || p.Hint == "" || strings.Contains(rec.Body.String(), "secret detail") {
		t.Errorf("got %s, want the request's id and a hint, and no details", rec.Body)
	}
	for _, want := range []string{`"level":"ERROR"`, "secret detail", "limits_test.go", p.RequestID} {
		if !strings.Contains(w.log.String(), want) {
			t.Errorf("the log does not say %q: %s", want, w.log)
		}
	}
	// What the call held is let go.
	w.vault.fail = nil
	w.start("web1", "crm")
}

func TestPanicThatCutsTheConnectionIsNotAnswered(t *testing.T) {
	w := newWorld(t)
	w.vault.fail = func(string) error { panic(http.ErrAbortHandler) }
	defer func() {
		if p := recover(); p != http.ErrAbortHandler {
			t.Errorf("got panic %v, want %v", p, http.ErrAbortHandler)
		}
	}()
	req := api.StartRequest{Job: "crm", Streams: []api.StartStream{{Name: "crm", File: "crm.sql"}}}
	t.Errorf("got %d", w.call("web1", "POST", api.PathStart, req).Code)
}

// deadlined is a ResponseWriter that notes how much is written under each deadline.
type deadlined struct {
	*httptest.ResponseRecorder
	begun   time.Time
	written int
	faults  []string
}

func (d *deadlined) SetWriteDeadline(at time.Time) error {
	if left := at.Sub(d.begun); left <= 0 || left > 2*answerTime {
		d.faults = append(d.faults, fmt.Sprintf("a deadline in %s", left))
	}
	d.written = 0
	return nil
}

func (d *deadlined) WriteHeader(status int) {
	d.check(0)
	d.ResponseRecorder.WriteHeader(status)
}

func (d *deadlined) Write(b []byte) (int, error) {
	d.check(len(b))
	return d.ResponseRecorder.Write(b)
}

func (d *deadlined) check(n int) {
	if d.written < 0 {
		d.faults = append(d.faults, "no deadline")
	}
	if d.written += n; d.written > answerChunk {
		d.faults = append(d.faults, fmt.Sprintf("%d bytes under one deadline", d.written))
	}
}

func TestAnswersHaveADeadline(t *testing.T) {
	w := newWorld(t)
	ref := w.backup("web1", "crm", w.vault)
	for i := range 2000 {
		other := ref
		other.ID = holdfast.ID(fmt.Sprintf("20251027T120000Z-%08x", i))
		w.vault.objects[other.ManifestKey()] = fakeObject{size: 1}
	}
	ticket := answer[api.TicketResponse](t, w.call("ops", "POST", api.PathTickets, api.TicketRequest{Ref: ref, File: holdfast.ManifestFile}), http.StatusOK)
	begun := w.start("web1", "crm")
	abort, err := json.Marshal(api.AbortRequest{UploadToken: begun.UploadToken})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		who, method, path string
		body              []byte
		status            int
	}{
		"a long one":       {"ops", "GET", api.PathStart, nil, http.StatusOK},
		"health":           {"", "GET", api.PathHealth, nil, http.StatusOK},
		"a refusal":        {"", "POST", api.PathStart, nil, http.StatusUnauthorized},
		"a redeemed one":   {"", "GET", strings.TrimPrefix(ticket.URL, brokerURL), nil, http.StatusFound},
		"one with no body": {"web1", "POST", idPath(api.PathAbort, begun.ID), abort, http.StatusNoContent},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(c.method, brokerURL+c.path, bytes.NewReader(c.body))
			if c.who != "" {
				r.Header.Set("Authorization", "Bearer "+w.sign(c.who, c.method, c.path, c.body, w.clock))
			}
			d := &deadlined{ResponseRecorder: httptest.NewRecorder(), begun: time.Now(), written: -1}
			w.handler.ServeHTTP(d, r)
			if d.Code != c.status {
				t.Fatalf("got %d, want %d: %s", d.Code, c.status, d.Body)
			}
			if name == "a long one" && d.Body.Len() < 2*answerChunk {
				t.Fatalf("only %d bytes", d.Body.Len())
			}
			if len(d.faults) > 0 {
				t.Error(d.faults)
			}
		})
	}
}

func TestJobsThatNobodyWaitsForAreForgotten(t *testing.T) {
	var l jobLocks
	unlock, err := l.lock(t.Context(), "main", "web1", "crm")
	if err != nil {
		t.Fatal(err)
	}
	again := make(chan func())
	go func() {
		unlock, err := l.lock(t.Context(), "main", "web1", "crm")
		if err != nil {
			t.Error(err)
		}
		again <- unlock
	}()
	unlock()
	(<-again)()
	if len(l.slots) != 0 {
		t.Errorf("%d are remembered, want none", len(l.slots))
	}
}
