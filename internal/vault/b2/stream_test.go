package b2

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// piped returns a download whose other end is in the test's hands.
func piped(limit time.Duration) (*stream, *io.PipeWriter) {
	r, w := io.Pipe()
	s := &stream{ReadCloser: r, limit: limit, cancel: func() { r.CloseWithError(context.Canceled) }}
	s.arm()
	return s, w
}

func TestADownloadThatIsReadSlowlyGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := piped(30 * time.Second)
		go func() {
			_, _ = io.WriteString(w, "a body")
			w.Close()
		}()
		var got []byte
		for range len("a body") {
			b := make([]byte, 1)
			_, err := io.ReadFull(s, b)
			must(t, err)
			got = append(got, b...)
			time.Sleep(10 * s.limit)
		}
		if rest, err := io.ReadAll(s); err != nil || string(got)+string(rest) != "a body" {
			t.Errorf("got %q and %q, %v", got, rest, err)
		}
		must(t, s.Close())
	})
}

func TestADownloadThatComesSlowlyGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := piped(30 * time.Second)
		go func() {
			for _, b := range []byte("a body") {
				time.Sleep(s.limit - time.Nanosecond)
				_, _ = w.Write([]byte{b})
			}
			w.Close()
		}()
		if got, err := io.ReadAll(s); err != nil || string(got) != "a body" {
			t.Errorf("got %q, %v", got, err)
		}
		must(t, s.Close())
	})
}

func TestADownloadThatStallsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := piped(30 * time.Second)
		go func() { _, _ = io.WriteString(w, "the beginning") }()
		begun := time.Now()
		got, err := io.ReadAll(s)
		if string(got) != "the beginning" || err == nil || err.Error() != "nothing came for 30s" {
			t.Errorf("got %q, %v", got, err)
		}
		if took := time.Since(begun); took != s.limit {
			t.Errorf("it took %s, want %s", took, s.limit)
		}
		must(t, s.Close())
	})
}

// TestAConnectionThatStallsIsGivenUp, however slow the machine is that it is on.
func TestAConnectionThatStallsIsGivenUp(t *testing.T) {
	t.Parallel()
	stalls := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte("the beginning"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	defer stalls.Close()
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, stalls.URL, nil)
	must(t, err)
	answer, err := http.DefaultClient.Do(req)
	must(t, err)
	stalled := &stream{ReadCloser: answer.Body, cancel: cancel, limit: 100 * time.Millisecond}
	stalled.arm()
	if _, err = io.ReadAll(stalled); err == nil || err.Error() != "nothing came for 100ms" {
		t.Errorf("got %v", err)
	}
	must(t, stalled.Close())
}

// TestALargeDownload is one as it is, over a connection.
func TestALargeDownload(t *testing.T) {
	t.Parallel()
	v := newVault(t, newServer(t))
	body := strings.Repeat("0123456789abcdef", 256<<10)
	must(t, v.Put(t.Context(), data, []byte(body)))
	r, err := v.Open(t.Context(), data, 0, -1)
	must(t, err)
	defer r.Close()
	first := make([]byte, 1000)
	_, err = io.ReadFull(r, first)
	must(t, err)
	if rest, err := io.ReadAll(r); err != nil || string(first)+string(rest) != body {
		t.Errorf("got %d bytes, want %d, %v", len(first)+len(rest), len(body), err)
	}
}
