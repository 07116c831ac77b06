package push

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

func testSender(t *testing.T, c *cloud) *sender {
	d := c.deps(t).withDefaults()
	return &sender{
		client: d.HTTP, broker: c, pool: newPool(), id: testID, token: "upload-token", left: c.maxSize,
		retry: retrier{Retry: d.Retry, now: c.Now, sleep: c.Sleep, log: slog.New(slog.DiscardHandler)},
	}
}

func TestUploadCutsByTheSchedule(t *testing.T) {
	c := newCloud(t)
	c.discard, c.maxParts = true, 10
	s := testSender(t, c)
	u, err := s.newUpload(t.Context(), api.StreamPlan{Name: "db", MaxParts: 10, Checksum: holdfast.ChecksumSHA256})
	if err != nil {
		t.Fatal(err)
	}
	total := holdfast.PartOffset(7, 10) - 1
	chunk := make([]byte, 3<<20)
	for left := total; left > 0; left -= int64(len(chunk)) {
		if _, err := u.Write(chunk[:min(left, int64(len(chunk)))]); err != nil {
			t.Fatal(err)
		}
	}
	parts, _, err := u.finish()
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
	s := testSender(t, c)
	u, err := s.newUpload(t.Context(), api.StreamPlan{Name: "db", MaxParts: 10_000, Checksum: holdfast.ChecksumMD5})
	if err != nil {
		t.Fatal(err)
	}
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
	if _, _, err := u.finish(); err != nil {
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
	s := testSender(t, c)
	s.retry.Stall = 50 * time.Millisecond
	u, err := s.newUpload(t.Context(), api.StreamPlan{Name: "db", MaxParts: 10_000, Checksum: holdfast.ChecksumMD5})
	if err != nil {
		t.Fatal(err)
	}
	c.checksum = holdfast.ChecksumMD5
	if _, err := u.Write([]byte("data")); err != nil {
		t.Fatal(err)
	}
	if _, etags, err := u.finish(); err != nil || etags[0] != `"db-1"` {
		t.Errorf("got %v, %v", etags, err)
	}
}

func TestErrorsHoldNoURL(t *testing.T) {
	for name, url := range map[string]string{
		"a host that does not answer": "http://127.0.0.1:1/db/1?signature=TOPSECRET",
		"a URL that is none":          "http://[TOPSECRET",
		"an unknown scheme":           "gopher://store/?signature=TOPSECRET",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := put(t.Context(), NewHTTPClient(), holdfast.Request{Method: "PUT", URL: url}, [][]byte{[]byte("x")}, time.Minute)
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

// TestMemoryStaysSmall pushes much more than the bound and looks at the heap all
// the while. Store and broker live in the same process and are counted too.
func TestMemoryStaysSmall(t *testing.T) {
	const total, bound = 512 << 20, 64 << 20
	c := newCloud(t)
	c.discard = true
	d := c.deps(t)
	var peak uint64
	d.Progress = func(Progress) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		peak = max(peak, m.HeapInuse)
	}
	begin := time.Now()
	d.Now = func() time.Time { return c.Now().Add(time.Since(begin)) } // so that progress is told
	job := testJob(t, &fakeSource{file: "crm.sql", dump: func(_ context.Context, w io.Writer) error {
		chunk := noise(64 << 10)
		for n := 0; n < total; n += len(chunk) {
			if _, err := w.Write(chunk); err != nil {
				return err
			}
		}
		return nil
	}})
	runtime.GC()
	out := Run(t.Context(), job, d)
	if out.Status != OK || c.sizes["db"] != total {
		t.Fatalf("got %+v, %d bytes", out, c.sizes["db"])
	}
	if peak == 0 || peak > bound {
		t.Errorf("heap grew to %d MiB, want at most %d", peak>>20, bound>>20)
	}
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
		{"an error in another", errors.Join(errors.New("sign part 1"), &api.Problem{Status: 404}), final},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := judge(tt.err); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
