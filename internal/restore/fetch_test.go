package restore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// noise returns n bytes that do not compress.
func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

func TestWindowsHandOnEveryByteInOrder(t *testing.T) {
	for _, size := range []int64{1, testTransfer.window - 1, testTransfer.window, testTransfer.window + 1, 10*testTransfer.window + 7} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			want := noise(int(size))
			r := testTransfer.newWindows(t.Context(), size, func(_ context.Context, offset, n int64) (io.ReadCloser, error) {
				return io.NopCloser(iotest.HalfReader(bytes.NewReader(want[offset:]))), nil
			})
			if size > testTransfer.window { // the test's open ranges are longer than asked; that is noticed at the end only
				defer r.Close()
			}
			got, err := io.ReadAll(r)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("got %d bytes and %v, want %d bytes as they were", len(got), err, size)
			}
			r.Close()
			if _, err := r.Read(make([]byte, 1)); err == nil {
				t.Error("read after close: no error")
			}
		})
	}
}

func TestWindowsKeepAtMostTheirBuffersInMemory(t *testing.T) {
	const window, count = 1000, 50
	var fetched, consumed atomic.Int64
	tr := testTransfer
	tr.window = window
	r := tr.newWindows(t.Context(), window*count, func(_ context.Context, offset, n int64) (io.ReadCloser, error) {
		fetched.Add(1)
		if ahead := fetched.Load() - consumed.Load(); ahead > int64(tr.parallel)+1 {
			t.Errorf("%d windows in flight, want at most %d", ahead, tr.parallel)
		}
		return io.NopCloser(io.LimitReader(zeros{}, window)), nil
	})
	defer r.Close()
	for range count {
		consumed.Add(1)
		if _, err := io.ReadFull(r, make([]byte, window)); err != nil {
			t.Fatal(err)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestBrokenRangesAreReadOnFromWhereTheyBroke(t *testing.T) {
	w := newWorld(t)
	data := noise(500_000)
	m := w.backup(testRef, plain{name: "crm", file: "crm.sql", data: data})
	var broken atomic.Int64
	w.vault.opened = func(key string, offset, n int64, r io.ReadCloser) (io.ReadCloser, error) {
		if broken.Add(1)%3 == 0 {
			return nil, errors.New("connection refused")
		}
		return io.NopCloser(io.MultiReader(io.LimitReader(r, 20_000), iotest.ErrReader(errors.New("connection reset")))), nil
	}
	w.vault.opened = skipManifest(w.vault.opened)
	var got bytes.Buffer
	if err := w.open(testRef).ToWriter(t.Context(), "", &got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), data) {
		t.Error("got other bytes than were backed up")
	}
	if least := m.Streams[0].StoredSize / 20_000; broken.Load() < least {
		t.Errorf("%d attempts, want at least %d", broken.Load(), least)
	}
}

func skipManifest(f func(string, int64, int64, io.ReadCloser) (io.ReadCloser, error)) func(string, int64, int64, io.ReadCloser) (io.ReadCloser, error) {
	return func(key string, offset, n int64, r io.ReadCloser) (io.ReadCloser, error) {
		if strings.HasSuffix(key, holdfast.ManifestFile) {
			return r, nil
		}
		return f(key, offset, n, r)
	}
}

func TestRangeThatNeverComesIsGivenUp(t *testing.T) {
	w := newWorld(t)
	w.backup(testRef, plain{name: "crm", file: "crm.sql", data: noise(300_000)})
	reset := errors.New("connection reset")
	var attempts atomic.Int64
	w.vault.opened = skipManifest(func(key string, offset, n int64, r io.ReadCloser) (io.ReadCloser, error) {
		if offset == 0 {
			attempts.Add(1)
			return nil, reset
		}
		return r, nil
	})
	err := w.open(testRef).ToWriter(t.Context(), "", io.Discard)
	if !errors.Is(err, reset) || attempts.Load() != int64(testTransfer.failures) {
		t.Errorf("got %v after %d attempts, want %v after %d", err, attempts.Load(), reset, testTransfer.failures)
	}
}

func TestAttemptWithoutABytePassingIsCutShort(t *testing.T) {
	tr := testTransfer
	tr.stall, tr.failures = time.Millisecond, 2
	r := tr.newWindows(t.Context(), 10, func(ctx context.Context, _, _ int64) (io.ReadCloser, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	defer r.Close()
	if _, err := io.ReadAll(r); !errors.Is(err, errStalled) {
		t.Errorf("got %v, want %v", err, errStalled)
	}
}

func TestObjectOfAnotherSizeIsCorrupt(t *testing.T) {
	for name, change := range map[string]func([]byte) []byte{
		"shorter by a byte":   func(b []byte) []byte { return b[:len(b)-1] },
		"shorter by a window": func(b []byte) []byte { return b[:len(b)-int(testTransfer.window)] },
		"longer by a byte":    func(b []byte) []byte { return append(bytes.Clone(b), 0) },
		"empty":               func(b []byte) []byte { return nil },
	} {
		w := newWorld(t)
		m := w.backup(testRef, plain{name: "crm", file: "crm.sql", data: noise(300_000)})
		key := testRef.Key(m.Streams[0].File)
		w.vault.objects[key] = change(w.vault.objects[key])
		for how, f := range map[string]Fetcher{"direct": w.direct(testRef), "signed": newSite(w).signed(testRef)} {
			t.Run(name+", "+how, func(t *testing.T) {
				b, err := Open(t.Context(), f, w.options())
				if err != nil {
					t.Fatal(err)
				}
				if err := b.ToWriter(t.Context(), "", io.Discard); !errors.Is(err, holdfast.ErrCorrupt) {
					t.Errorf("got %v, want %v", err, holdfast.ErrCorrupt)
				}
			})
		}
	}
}

func TestSignedDownloadsGoOnAfterTheyExpire(t *testing.T) {
	w := newWorld(t)
	data := noise(2_000_000)
	w.backup(testRef, plain{name: "crm", file: "crm.sql", data: data})
	s := newSite(w)
	b, err := Open(t.Context(), s.signed(testRef), w.options())
	if err != nil {
		t.Fatal(err)
	}
	served := 0
	s.serve = func(http.ResponseWriter, *http.Request) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		if served++; served%10 == 0 {
			s.secret++ // all URLs given out so far have expired
		}
		return false
	}
	var got bytes.Buffer
	if err := b.ToWriter(t.Context(), "", &got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), data) {
		t.Error("got other bytes than were backed up")
	}
	if s.secret < 3 || s.asked < s.secret || s.asked > 4*s.secret {
		t.Errorf("broker asked %d times for %d expiries", s.asked, s.secret-1)
	}
}

func TestDownloadsThatAreNeverAcceptedAreGivenUpWithoutTheirURL(t *testing.T) {
	w := newWorld(t)
	w.backup(testRef, plain{name: "crm", file: "crm.sql", data: noise(1000)})
	s := newSite(w)
	b, err := Open(t.Context(), s.signed(testRef), w.options())
	if err != nil {
		t.Fatal(err)
	}
	s.serve = func(w http.ResponseWriter, r *http.Request) bool {
		http.Error(w, "no", http.StatusForbidden)
		return true
	}
	if err := b.ToWriter(t.Context(), "", io.Discard); !errors.Is(err, errExpired) || strings.Contains(err.Error(), "signature=") {
		t.Errorf("got %v, want %v without the URL", err, errExpired)
	}
	s.Close()
	if err := b.ToWriter(t.Context(), "", io.Discard); err == nil || strings.Contains(err.Error(), "signature=") {
		t.Errorf("got %v, want an error without the URL", err)
	}
}

func TestDownloadThatIsCutOffIsReadOn(t *testing.T) {
	w := newWorld(t)
	data := noise(1_000_000)
	m := w.backup(testRef, plain{name: "crm", file: "crm.sql", data: data})
	s := newSite(w)
	b, err := Open(t.Context(), s.signed(testRef), w.options())
	if err != nil {
		t.Fatal(err)
	}
	var cut atomic.Int64
	s.serve = func(rw http.ResponseWriter, r *http.Request) bool {
		if cut.Add(1)%2 == 0 {
			return false
		}
		var from, to int64
		if n, _ := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to); n != 2 {
			return false
		}
		rw.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, m.Streams[0].StoredSize))
		rw.Header().Set("Content-Length", fmt.Sprint(to-from+1))
		rw.WriteHeader(http.StatusPartialContent)
		rw.Write(w.vault.objects[testRef.Key(m.Streams[0].File)][from : from+(to-from)/2])
		panic(http.ErrAbortHandler)
	}
	var got bytes.Buffer
	if err := b.ToWriter(t.Context(), "", &got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), data) {
		t.Error("got other bytes than were backed up")
	}
}

func TestServerThatIgnoresRangesIsRefused(t *testing.T) {
	w := newWorld(t)
	m := w.backup(testRef, plain{name: "crm", file: "crm.sql", data: noise(300_000)})
	for name, answer := range map[string]func(http.ResponseWriter){
		"sends everything":      func(rw http.ResponseWriter) { rw.Write(w.vault.objects[testRef.Key(m.Streams[0].File)]) },
		"sends another range":   func(rw http.ResponseWriter) { rw.Header().Set("Content-Range", "bytes 1-2/3"); rw.WriteHeader(206) },
		"sends none in words":   func(rw http.ResponseWriter) { rw.Header().Set("Content-Range", "bytes x"); rw.WriteHeader(206) },
		"has another in store":  func(rw http.ResponseWriter) { rw.Header().Set("Content-Range", "bytes 0-2/3"); rw.WriteHeader(206) },
		"says there is no such": func(rw http.ResponseWriter) { rw.WriteHeader(416) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(w)
			b, err := Open(t.Context(), s.signed(testRef), w.options())
			if err != nil {
				t.Fatal(err)
			}
			s.serve = func(rw http.ResponseWriter, _ *http.Request) bool { answer(rw); return true }
			if err := b.ToWriter(t.Context(), "", io.Discard); !errors.Is(err, errRefused) && !errors.Is(err, holdfast.ErrCorrupt) {
				t.Errorf("got %v, want a refusal", err)
			}
		})
	}
}

func TestCancellingEndsTheFetch(t *testing.T) {
	w := newWorld(t)
	w.backup(testRef, plain{name: "crm", file: "crm.sql", data: noise(1_000_000)})
	b := w.open(testRef)
	ctx, cancel := context.WithCancel(t.Context())
	b.options.Progress = func(done, total int64) {
		if done > total/2 {
			cancel()
		}
	}
	if err := b.ToWriter(ctx, "", io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestProgressReachesTheTotal(t *testing.T) {
	w := newWorld(t)
	m := w.backup(testRef, plain{name: "crm", file: "crm.sql", data: noise(100_000)}, plain{name: "log", file: "log.txt", data: noise(50_000)})
	b := w.open(testRef)
	var last, total int64
	b.options.Progress = func(d, of int64) {
		if d < last {
			t.Errorf("progress went back from %d to %d", last, d)
		}
		last, total = d, of
	}
	if _, err := b.ToDir(t.Context(), t.TempDir(), DirOptions{}); err != nil {
		t.Fatal(err)
	}
	if last != m.StoredSize() || total != m.StoredSize() {
		t.Errorf("progress ended at %d of %d, want %d", last, total, m.StoredSize())
	}
}

func BenchmarkRestore(b *testing.B) {
	w := newWorld(b)
	data := bytes.Repeat([]byte("42\talice\talice@example.com\t2025-10-28 14:00:00\tpaid\n"), 64<<20/52)
	copy(data[len(data)/2:], noise(16<<20))
	w.backup(testRef, plain{name: "crm", file: "crm.sql", data: data})
	s := newSite(w)
	for how, f := range map[string]Fetcher{"direct": Direct(w.vault, testRef, w.public()), "signed": Signed(s, testRef, nil)} {
		b.Run(how, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				backup, err := Open(b.Context(), f, w.options())
				if err == nil {
					err = backup.ToWriter(b.Context(), "", io.Discard)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
