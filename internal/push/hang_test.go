package push

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// mount is a place on a mount whose server goes away: from the call of that name
// on nothing that touches it returns, whatever becomes of its context.
type mount struct {
	*place
	op   string
	mend chan struct{} // closed once it is back

	mu   sync.Mutex
	away bool
	body io.Reader // of the part that hangs
}

func (m *mount) touch(op string) {
	m.mu.Lock()
	m.away = m.away || op == m.op
	away := m.away
	m.mu.Unlock()
	if away {
		<-m.mend
	}
}

func (m *mount) StartUpload(ctx context.Context, key string) (holdfast.Upload, error) {
	m.touch("StartUpload")
	return m.place.StartUpload(ctx, key)
}

func (m *mount) SendPart(ctx context.Context, u holdfast.Upload, p holdfast.Part, body io.Reader) error {
	m.mu.Lock()
	m.body = body
	m.mu.Unlock()
	m.touch("SendPart")
	return m.place.SendPart(ctx, u, p, body)
}

func (m *mount) CompleteUpload(ctx context.Context, u holdfast.Upload, parts []holdfast.Part, size int64) error {
	m.touch("CompleteUpload")
	return m.place.CompleteUpload(ctx, u, parts, size)
}

func (m *mount) AbortUpload(ctx context.Context, u holdfast.Upload) error {
	m.touch("AbortUpload")
	return m.place.AbortUpload(ctx, u)
}

func (m *mount) Put(ctx context.Context, key string, body []byte) error {
	m.touch("Put")
	return m.place.Put(ctx, key, body)
}

func (m *mount) List(ctx context.Context, prefix string) iter.Seq2[holdfast.Object, error] {
	m.touch("List")
	return m.place.List(ctx, prefix)
}

func (m *mount) Close() error {
	m.touch("Close")
	return m.place.Close()
}

// hanging is a job that goes to a server and to a mount. It runs in a bubble, where
// time passes once all wait.
func hanging(t *testing.T, op string, stall time.Duration) (Job, Deps, *place, *mount) {
	c := newClockOnly()
	nas, m := newPlace(c), &mount{place: newPlace(c), op: op, mend: make(chan struct{})}
	local := NewDirect(DirectOptions{Name: "local", Kind: KindDisk, Stall: stall, Policy: counts(3), Open: func(context.Context) (DirectVault, error) {
		m.touch("Open")
		return m, nil
	}})
	job := testJob(t, &fakeSource{file: "crm.sql", data: noise(2*blockSize + 5)})
	d := Deps{
		Destinations: []Destination{nas.to("nas"), local}, Now: time.Now, Sleep: sleep,
		SignManifest: func(m holdfast.Manifest) ([]byte, error) { return json.Marshal(m) },
	}
	return job, d, nas, m
}

func TestADirectoryThatHangsIsLeftBehind(t *testing.T) {
	for op, want := range map[string]string{
		"Open":           "nas ok, local failed start",
		"StartUpload":    "nas ok, local failed start",
		"SendPart":       "nas ok, local failed upload",
		"CompleteUpload": "nas ok, local failed commit",
		"List":           "nas ok, local failed commit",
		"Put":            "nas ok, local failed commit",
		"Close":          "nas ok, local ok",
	} {
		t.Run(op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				job, d, nas, m := hanging(t, op, 10*time.Minute)
				began := time.Now()
				out := Run(t.Context(), job, d)
				if got := statuses(out); got != want || (out.Status == OK) != (op == "Close") {
					t.Errorf("got %s, %+v; want %s", got, out, want)
				}
				if took := time.Since(began); took > 11*time.Minute {
					t.Errorf("took %s", took)
				}
				told := errors.Is(out.Err(), errHangs)
				if op == "Open" || op == "StartUpload" { // as of any destination that does not answer
					told = strings.Contains(out.Error, "local: no answer within 1m0s")
				}
				if op != "Close" && (!told || len(reportsIn(t, nas)) != 1) {
					t.Errorf("got %q with %d reports, want one of what hangs", out.Error, len(reportsIn(t, nas)))
				}
				// The lock is free, and the next run goes on as if nothing had been.
				d.Destinations = d.Destinations[:1]
				if again := Run(t.Context(), job, d); again.Status != OK {
					t.Errorf("the next run: got %+v", again)
				}
				close(m.mend)
			})
		})
	}
}

func TestARunOutOfTimeDoesNotWaitForADirectoryThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job, d, _, m := hanging(t, "SendPart", 0)
		job.Timeout = time.Hour
		began := time.Now()
		out := Run(t.Context(), job, d)
		if out.Status != Failed || !strings.Contains(out.Error, "not finished within 1h0m0s") {
			t.Errorf("got %+v", out)
		}
		if took := time.Since(began) - job.Timeout; took < 0 || took > time.Minute {
			t.Errorf("ended %s after its time was up", took)
		}
		// What it comes back to reads nothing of blocks that others use by now.
		m.mu.Lock()
		body := m.body
		m.mu.Unlock()
		if n, err := body.Read(make([]byte, 1)); n != 0 || err == nil || err == io.EOF {
			t.Errorf("what was left behind read %d bytes, %v", n, err)
		}
		close(m.mend)
	})
}

// TestAVaultThatIsBackIsAskedAgain: what was left behind counts until it returns.
func TestAVaultThatIsBackIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c calls
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		back := make(chan struct{})
		if err := c.tell(ctx, func(context.Context) error { <-back; return nil }); judge(err) != final || !errors.Is(err, errHangs) {
			t.Errorf("got %v", err)
		}
		asked := false
		ask := func() error { return c.tell(t.Context(), func(context.Context) error { asked = true; return nil }) }
		if err := ask(); !errors.Is(err, errHangs) || asked {
			t.Errorf("got %v, asked: %v", err, asked)
		}
		close(back)
		synctest.Wait()
		if err := ask(); err != nil || !asked {
			t.Errorf("got %v, asked: %v", err, asked)
		}
	})
}

// TestAThinLineIsNotTakenForADeadOne sends to a server that takes a whole part at
// once and then needs long to bring it over.
func TestAThinLineIsNotTakenForADeadOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job, d, nas, m := hanging(t, "", 0)
		nas.after = func(op string, _ int) error {
			if op == "SendPart" {
				time.Sleep(7 * time.Minute)
			}
			return nil
		}
		d.Destinations = d.Destinations[:1]
		out := Run(t.Context(), job, d)
		if want := 3; out.Status != OK || nas.tries["SendPart"] != want {
			t.Errorf("got %+v after %d parts sent, want %d", out, nas.tries["SendPart"], want)
		}
		close(m.mend)
	})
}

func TestABrokerThatHangsHoldsUpNoDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job, d, _, m := hanging(t, "", 0)
		started := time.Now()
		d.Destinations[1] = slowBroker{d.Destinations[1]}
		out := Run(t.Context(), job, d)
		if got := statuses(out); out.Status != Partial || got != "nas ok, local failed start" {
			t.Errorf("got %s, %+v", got, out)
		}
		if took := time.Since(started); took < 50*time.Second || took > 70*time.Second {
			t.Errorf("took %s", took)
		}
		if text := "no answer within 1m0s"; !strings.Contains(out.Error, text) {
			t.Errorf("got %q, want …%s", out.Error, text)
		}
		close(m.mend)
	})
}

// slowBroker answers nothing until it is told to stop.
type slowBroker struct{ Destination }

func (slowBroker) Kind() string { return KindBroker }

func (slowBroker) Begin(ctx context.Context, _ Start) (Begun, error) {
	<-ctx.Done()
	return Begun{}, ctx.Err()
}
