package fill

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// Wherever copying is cut off, the target lists no backup that is not whole, and
// copying again finishes the work, sending no object twice that was complete.
func TestACopyThatIsCutOffAnywhereIsFinishedByTheNext(t *testing.T) {
	ref := refOf("crm", 27)
	big := int(holdfast.MinPartSize) + 1000
	ops := []string{"StartUpload", "SendPart", "CompleteUpload", "Put", "List"}
	for _, op := range ops {
		for nth := 1; nth <= 3; nth++ {
			t.Run(fmt.Sprintf("%s %d", op, nth), func(t *testing.T) {
				a, b := memory(), memory()
				backup(t, a, ref, big, 2000)
				must(t, a.Put(t.Context(), ref.HoldKey(), []byte("{}")))
				ctx, cancel := context.WithCancel(t.Context())
				var seen atomic.Int32
				b.Fault = func(o, _ string) error {
					if o == op && int(seen.Add(1)) >= nth {
						cancel()
						return errors.New("cut")
					}
					return nil
				}
				_, err := Run(ctx, a, b, options())
				b.Fault = nil
				if int(seen.Load()) < nth {
					must(t, err)
					return // it does not happen so often
				}
				if err == nil {
					t.Error("got no error")
				}
				complete := int64(0)
				for o, err := range b.List(t.Context(), "") {
					must(t, err)
					if o.Key == ref.ManifestKey() {
						t.Error("a backup is listed")
					}
					if o.Key != ref.HoldKey() {
						complete += o.Size
					}
				}
				result, err := Run(t.Context(), a, b, options())
				must(t, err)
				if len(result.Copied) != 1 || result.Copied[0].Sent != int64(big)+2000-complete {
					t.Errorf("got %+v, with %d bytes there before", result, complete)
				}
				equal(t, "target", objects(t, a), objects(t, b))
			})
		}
	}
}

func TestPartsAreSentAgainWhenTheStoreFails(t *testing.T) {
	for name, status := range map[string]int{"busy": 503, "expired": 403, "cut": 0} {
		t.Run(name, func(t *testing.T) {
			a, b := memory(), signing(t)
			backup(t, a, refOf("crm", 27), 3*int(holdfast.MinPartSize))
			failed := map[string]bool{}
			o := options()
			o.HTTP = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				if failed[name] {
					return http.DefaultTransport.RoundTrip(r)
				}
				failed[name] = true
				if status == 0 {
					return nil, errors.New("connection reset")
				}
				return &http.Response{StatusCode: status, Status: http.StatusText(status), Body: http.NoBody, Request: r}, nil
			})}
			result, err := Run(t.Context(), a, b, o)
			must(t, err)
			if len(result.Copied) != 1 {
				t.Fatalf("got %+v", result)
			}
			equal(t, "target", objects(t, a), objects(t, b))
		})
	}
}

// redirected signs requests that the store sends elsewhere.
type redirected struct {
	Target
	url string
}

func (r redirected) SignPart(context.Context, holdfast.Upload, holdfast.Part, time.Duration) (holdfast.Request, error) {
	return holdfast.Request{Method: http.MethodPut, URL: r.url}, nil
}

func TestAPartIsNotSentToWhereTheStoreRedirects(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer elsewhere.Close()
	store := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer store.Close()
	a := memory()
	backup(t, a, refOf("crm", 27), 1000)
	o := options()
	o.HTTP = nil
	result, err := Run(t.Context(), a, redirected{signing(t), store.URL}, o)
	must(t, err)
	if len(result.Failed) != 1 || !strings.Contains(result.Failed[0].Error, "307") {
		t.Errorf("got %+v, want the store's answer", result)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAStoreThatRefusesIsToldWithoutTheSignedURL(t *testing.T) {
	a, b := memory(), signing(t)
	backup(t, a, refOf("crm", 27), 1000)
	o := options()
	for _, answer := range []func(r *http.Request) (*http.Response, error){
		func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 403, Status: "403 Forbidden", Body: http.NoBody, Request: r}, nil
		},
		func(r *http.Request) (*http.Response, error) { return nil, errors.New("no route") },
	} {
		o.HTTP = &http.Client{Transport: roundTripper(answer)}
		result, err := Run(t.Context(), a, b, o)
		must(t, err)
		if len(result.Failed) != 1 || strings.Contains(result.Failed[0].Error, "sig=") {
			t.Errorf("got %+v", result.Failed)
		}
		if n := uploads(t, b); n != 0 {
			t.Errorf("%d uploads are left", n)
		}
	}
}

// endless is a source whose one backup has data that nobody has in memory.
type endless struct {
	Source
	size int64
}

func (e endless) Open(ctx context.Context, key string, offset, n int64) (io.ReadCloser, error) {
	if !strings.HasSuffix(key, ".zst") {
		return e.Source.Open(ctx, key, offset, n)
	}
	if n < 0 {
		n = e.size - offset
	}
	return io.NopCloser(io.LimitReader(zeroes{}, n)), nil
}

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// hollow shows objects that it has not kept.
type hollow struct {
	vault
	made *sync.Map // sizes, by key
}

func (h hollow) CompleteUpload(_ context.Context, u holdfast.Upload, _ []holdfast.Part, size int64) error {
	h.made.Store(u.Key, size)
	return nil
}

func (h hollow) List(ctx context.Context, prefix string) iter.Seq2[holdfast.Object, error] {
	return func(yield func(holdfast.Object, error) bool) {
		for key, size := range h.made.Range {
			if strings.HasPrefix(key.(string), prefix) && !yield(holdfast.Object{Key: key.(string), Size: size.(int64)}, nil) {
				return
			}
		}
		for o, err := range h.vault.List(ctx, prefix) {
			if !yield(o, err) {
				return
			}
		}
	}
}

// sink takes parts, slowly, and keeps none.
type sink struct {
	hollow
	peak *atomic.Uint64
}

func (s sink) SendPart(_ context.Context, _ holdfast.Upload, p holdfast.Part, body io.Reader) error {
	if n, err := io.Copy(io.Discard, body); err != nil || n != p.Size {
		return fmt.Errorf("part of %d bytes, want %d: %v", n, p.Size, err)
	}
	runtime.GC() // what waits to be collected is the collector's to bound
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s.peak.Store(max(s.peak.Load(), m.HeapAlloc))
	return nil
}

// zeroed returns a source with one backup of so many zero bytes.
func zeroed(t *testing.T, size int64) Source {
	t.Helper()
	a := memory()
	ref := refOf("crm", 27)
	m := manifest(ref, 1000)
	s := &m.Streams[0]
	s.StoredSize, s.StoredSHA256 = size, zeroesSum(size)
	s.Parts = nil
	for n, left := 1, int64(size); left > 0; n++ {
		part := min(holdfast.MinPartSize, left)
		s.Parts, left = append(s.Parts, holdfast.Part{Number: n, Size: part, Sum: s.StoredSHA256}), left-part
	}
	must(t, a.Put(t.Context(), ref.Key(s.File), []byte("stands for it")))
	sign(t, a, m)
	return endless{a, size}
}

func TestMemoryStaysWithinAFewParts(t *testing.T) {
	var peak atomic.Uint64
	result, err := Run(t.Context(), zeroed(t, 1<<30), sink{hollow{memory(), &sync.Map{}}, &peak}, options())
	must(t, err)
	if len(result.Copied) != 1 {
		t.Fatalf("got %q", failures(result.Failed))
	}
	const most = 72 << 20 // four windows and four parts of 8 MiB, and the rest
	t.Logf("%d MiB at most", peak.Load()>>20)
	if peak.Load() > most {
		t.Errorf("took %d MiB, want at most %d", peak.Load()>>20, most>>20)
	}
}

// slow takes a second for each part, and notes how many are on their way.
type slow struct {
	hollow
	t    *testing.T
	now  *atomic.Int32
	most *atomic.Int32
}

func (s slow) SendPart(_ context.Context, _ holdfast.Upload, p holdfast.Part, _ io.Reader) error {
	now := s.now.Add(1)
	defer s.now.Add(-1)
	if s.most.Store(max(s.most.Load(), now)); p.Size > holdfast.MinPartSize && now > 1 {
		s.t.Errorf("%d parts are on their way, one of them of %d bytes", now, p.Size)
	}
	time.Sleep(time.Second) // of the bubble's clock
	return nil
}

func TestLargePartsGoOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memory()
		b.Limits.MaxParts = 10 // of which the fourth has 16 MiB, the fifth 32
		var now, most atomic.Int32
		result, err := Run(t.Context(), zeroed(t, 72<<20), slow{hollow{b, &sync.Map{}}, t, &now, &most}, options())
		must(t, err)
		if len(result.Copied) != 1 || most.Load() != atOnce {
			t.Errorf("%d parts at once at most, want %d; %s", most.Load(), atOnce, failures(result.Failed))
		}
	})
}

func TestTheNewestComesFirstAcrossJobs(t *testing.T) {
	a, b := memory(), memory()
	for day, job := range map[int]string{24: "media", 25: "crm", 26: "media", 27: "crm"} {
		backup(t, a, refOf(job, day), 1000)
	}
	var told []string
	o := options()
	o.Done = func(c Copied, err error) { must(t, err); told = append(told, c.Ref.Job) }
	var last int64
	o.Progress = func(_ holdfast.Ref, done, total int64) { last = total - done }
	_, err := Run(t.Context(), a, b, o)
	must(t, err)
	if !slices.Equal(told, []string{"crm", "media", "crm", "media"}) || last != 0 {
		t.Errorf("got %q; %d bytes were left of the last", told, last)
	}
}

func TestTimeoutsAreTheCallers(t *testing.T) {
	a, b := memory(), memory()
	backup(t, a, refOf("crm", 27), 1000)
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if _, err := Run(ctx, a, b, options()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
