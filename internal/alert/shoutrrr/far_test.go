package shoutrrr_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/holdfast-backup/holdfast/internal/alert/conform"
)

const (
	path  = "/hooks/secretTopic42"
	value = "k3y-of-the-query"
)

// far is an HTTP service that shoutrrr's generic and ntfy speak to.
type far struct {
	*httptest.Server
	mu        sync.Mutex
	behaviour conform.Behaviour
	release   chan struct{} // closed when what hangs may go
	requests  []request
}

// request is one that was taken.
type request struct{ Path, Title, Body string }

func newFar(t *testing.T) *far {
	f := &far{release: make(chan struct{})}
	f.Server = httptest.NewServer(f)
	t.Cleanup(func() {
		if err := f.Behave(conform.Takes); err != nil {
			t.Error(err)
		}
		f.Close()
	})
	return f
}

// Behave implements conform.Far. What hung before is dropped.
func (f *far) Behave(b conform.Behaviour) error {
	if b == conform.Busy {
		return fmt.Errorf("be busy: shoutrrr passes no Retry-After on: %w", conform.ErrNotRunnable)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.behaviour = b
	close(f.release)
	f.release = make(chan struct{})
	return nil
}

func (f *far) Taken() []string {
	var all []string
	for _, r := range f.taken() {
		all = append(all, r.Title+"\n"+r.Body)
	}
	return all
}

func (f *far) taken() []request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]request(nil), f.requests...)
}

func (f *far) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	f.mu.Lock()
	behaviour, release := f.behaviour, f.release
	if behaviour == conform.Takes {
		f.requests = append(f.requests, request{r.URL.Path, r.Header.Get("Title"), string(body)})
	}
	f.mu.Unlock()
	switch behaviour {
	case conform.Takes:
		_, _ = io.WriteString(w, `{"id":"x"}`)
	case conform.Hangs:
		select {
		case <-release:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler)
	case conform.Refuses:
		http.Error(w, "not at "+r.URL.String()+"\n"+f.URL+path, http.StatusForbidden)
	case conform.Fails:
		http.Error(w, "out of order", http.StatusInternalServerError)
	case conform.Garbage:
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = io.WriteString(conn, "\x00\x01 secretTopic42\r\n\r\n")
		_ = conn.Close()
	}
}
