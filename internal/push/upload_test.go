package push

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

func testSender(c *cloud) *sender {
	return &sender{
		pool:  newPool(),
		lost:  func(*lane, func()) {},
		retry: retrier{Retry: Retry{}.withDefaults(), now: c.Now, sleep: c.Sleep, log: slog.New(slog.DiscardHandler)},
	}
}

// testLane returns a lane to the cloud for the stream db.
func testLane(t *testing.T, c *cloud) *lane {
	to := c.deps(t).Destinations[0]
	begun, err := to.Begin(t.Context(), Start{Host: "web1", Job: "crm", Streams: []api.StartStream{{Name: "db", File: "crm.sql"}}})
	if err != nil {
		t.Fatal(err)
	}
	return newLane(to, begun.Deliveries[0])
}

func TestUploadCutsByTheSchedule(t *testing.T) {
	c := newCloud(t)
	c.discard, c.maxParts = true, 10
	s, l := testSender(c), testLane(t, c)
	u := s.newFanout(t.Context(), "db", []*lane{l})
	total := holdfast.PartOffset(7, 10) - 1
	chunk := make([]byte, 3<<20)
	for left := total; left > 0; left -= int64(len(chunk)) {
		if _, err := u.Write(chunk[:min(left, int64(len(chunk)))]); err != nil {
			t.Fatal(err)
		}
	}
	err := u.finish()
	parts := l.sent["db"].parts
	if err != nil || len(parts) != 6 {
		t.Fatalf("got %d parts, %v; want 6", len(parts), err)
	}
	if err := holdfast.CheckParts(parts, holdfast.ChecksumSHA256, total); err != nil {
		t.Error(err)
	}
	for _, p := range parts[:5] {
		if p.Size != holdfast.PartSize(p.Number, 10) {
			t.Errorf("part %d has %d bytes", p.Number, p.Size)
		}
	}
	if c.sizes["db"] != total {
		t.Errorf("store got %d bytes, want %d", c.sizes["db"], total)
	}
	// The largest part is 64 MiB: eight blocks, and never more.
	if s.pool.made != 8 || len(s.pool.free) != 8 {
		t.Errorf("pool made %d blocks and has %d back, want 8", s.pool.made, len(s.pool.free))
	}
}

func TestUploadHoldsNoMoreThanItsPool(t *testing.T) {
	c := newCloud(t)
	c.discard = true
	arrived, release := make(chan int, 100), make(chan struct{})
	c.onPut = func(w http.ResponseWriter, r *http.Request, part, _ int) bool {
		arrived <- part
		<-release
		return false
	}
	s := testSender(c)
	u := s.newFanout(t.Context(), "db", []*lane{testLane(t, c)})
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 12 {
			if _, err := u.Write(make([]byte, 8<<20)); err != nil {
				t.Error(err)
			}
		}
	})
	for range poolBlocks {
		<-arrived // that many are on their way at once
	}
	if s.pool.made != poolBlocks {
		t.Errorf("pool made %d blocks, want %d", s.pool.made, poolBlocks)
	}
	select {
	case part := <-arrived:
		t.Errorf("part %d came while the pool was out of blocks", part)
	default:
	}
	close(release)
	wg.Wait()
	if err := u.finish(); err != nil {
		t.Fatal(err)
	}
	if s.pool.made != poolBlocks || c.sizes["db"] != 12*8<<20 {
		t.Errorf("pool made %d blocks, store got %d bytes", s.pool.made, c.sizes["db"])
	}
}

func TestAPartThatMakesNoHeadwayIsSentAgain(t *testing.T) {
	c := newCloud(t)
	hung := make(chan struct{})
	t.Cleanup(func() { close(hung) }) // before the server closes
	c.onPut = func(_ http.ResponseWriter, r *http.Request, _, try int) bool {
		if try == 1 {
			<-hung
		}
		return try == 1
	}
	s := testSender(c)
	s.retry.Stall = 50 * time.Millisecond
	l := testLane(t, c)
	u := s.newFanout(t.Context(), "db", []*lane{l})
	if _, err := u.Write([]byte("data")); err != nil {
		t.Fatal(err)
	}
	if err := u.finish(); err != nil || l.sent["db"].etags[0] != `"db-1"` {
		t.Errorf("got %v, %v", l.sent, err)
	}
}

func TestErrorsHoldNoURL(t *testing.T) {
	for name, url := range map[string]string{
		"a host that does not answer": "http://127.0.0.1:1/db/1?signature=TOPSECRET",
		"a URL that is none":          "http://[TOPSECRET",
		"an unknown scheme":           "gopher://store/?signature=TOPSECRET",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := put(t.Context(), NewHTTPClient(), holdfast.Request{Method: "PUT", URL: url}, newBody([]*block{{data: []byte("x")}}, time.Minute), 1)
			if err == nil || strings.Contains(err.Error(), "TOPSECRET") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAPartIsNotSentToWhereTheStoreRedirects(t *testing.T) {
	c := newCloud(t)
	c.onPut = func(w http.ResponseWriter, r *http.Request, _, _ int) bool {
		if r.URL.Path == "/elsewhere" {
			t.Error("the redirect was followed")
		}
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		return true
	}
	out := Run(t.Context(), testJob(t, &fakeSource{file: "crm.sql", data: []byte("data")}), c.deps(t))
	wantFailed(t, c, out, StageUpload, "store answered 307")
}

func TestJudge(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want verdict
	}{
		{"a dead connection", io.ErrUnexpectedEOF, outage},
		{"an overloaded store", &storeError{status: 503}, outage},
		{"a store's bad gateway", &storeError{status: 502}, outage},
		{"a store's timeout", &storeError{status: 408}, outage},
		{"an expired signature", &storeError{status: 403}, refusal},
		{"a garbled part", &storeError{status: 400}, refusal},
		{"an upload that is gone", &storeError{status: 404}, final},
		{"a full store", &storeError{status: 507}, final},
		{"a throttled broker", &api.Problem{Status: 429}, outage},
		{"a broken broker", &api.Problem{Status: 500}, outage},
		{"a quota", &api.Problem{Status: 429, Type: api.ProblemQuota}, final},
		{"a full vault", &api.Problem{Status: 507, Type: api.ProblemFull}, final},
		{"a wrong clock", &api.Problem{Status: 401, Type: api.ProblemClock}, final},
		{"a directory without room", fmt.Errorf("send part 1: %w", holdfast.ErrFull), final},
		{"an upload that the server no longer knows", fmt.Errorf("send part 1: %w", holdfast.ErrNotExist), final},
		{"a name that is taken", fmt.Errorf("put: %w", holdfast.ErrExist), final},
		{"a part that arrived garbled", fmt.Errorf("send part 1: %w", holdfast.ErrCorrupt), refusal},
		{"a directory that may not be written to", &fs.PathError{Op: "open", Path: "/x", Err: fs.ErrPermission}, refusal},
		{"a key file that is not there", &fs.PathError{Op: "open", Path: "/x", Err: fs.ErrNotExist}, final},
		{"an error in another", errors.Join(errors.New("sign part 1"), &api.Problem{Status: 404}), final},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := judge(tt.err); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
