package test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// heartbeats is a server that takes pings.
type heartbeats struct {
	*httptest.Server
	mu   sync.Mutex
	seen []string
}

func newHeartbeats(t *testing.T) *heartbeats {
	b := &heartbeats{}
	b.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.seen = append(b.seen, strings.TrimPrefix(r.URL.Path, "/"))
	}))
	t.Cleanup(b.Close)
	return b
}

// yaml is what the job says of them.
func (b *heartbeats) yaml() string {
	return fmt.Sprintf("    heartbeat: { start: %[1]s/start, success: %[1]s/success, failure: %[1]s/failure }\n", b.URL)
}

// were fails the test unless exactly these came since it was last asked.
func (b *heartbeats) were(t *testing.T, want ...string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Equal(b.seen, want) {
		t.Errorf("heartbeats: got %v, want %v", b.seen, want)
	}
	b.seen = nil
}

// fifo makes a pipe with a name: a dump that ends in cat of it goes on when told.
func fifo(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	must(t, syscall.Mkfifo(path, 0o600))
	return path
}

// goOn lets the reader of the pipe go on.
func goOn(t *testing.T, path string) {
	t.Helper()
	waitFor(t, "the dump to come to its pipe", func() bool {
		pipe, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			return false
		}
		must(t, pipe.Close())
		return true
	})
}
