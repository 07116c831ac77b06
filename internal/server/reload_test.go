package server

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/secret"
)

// hook counts what it is told.
type hook struct {
	*httptest.Server
	mu   sync.Mutex
	told []string
}

func newHook(t *testing.T) *hook {
	t.Helper()
	h := &hook{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.told = append(h.told, string(body))
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hook) count(word string) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, body := range h.told {
		if strings.Contains(body, word) {
			n++
		}
	}
	return n
}

func TestAChannelThatTakesAnothersPlaceIsToldAfterAReload(t *testing.T) {
	before, after := newHook(t), newHook(t)
	dir, clock := t.TempDir(), time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)
	parse := func(channel, reference string) *config.Holdfast {
		t.Helper()
		c, err := config.ParseHoldfast("holdfast.yaml", []byte(fmt.Sprintf(`
broker: { url: "http://127.0.0.1:8420", secret: "env:SECRET" }
vaults: { main: { disk: { path: %q } } }
hosts: { web1: { key: "ed25519:WwjwA5yLaGIwpXh88E6tSxPUbnIpHb4XY4evZV59OUM", jobs: [crm] } }
alerts: { channels: { %s: { webhook: { url: %q } } } }
`, dir, channel, reference)))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	s, err := New(t.Context(), Options{
		Config: parse("ops", "env:BEFORE"), Now: func() time.Time { return clock }, Log: slog.New(slog.DiscardHandler),
		Secrets: func(_ context.Context, ref secret.Ref) (secret.Secret, error) {
			return secret.New(map[secret.Ref]string{
				"env:SECRET": strings.Repeat("s", 32), "env:BEFORE": before.URL, "env:AFTER": after.URL,
			}[ref]), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	s.lookAround(t.Context())
	if err := s.Reload(t.Context(), parse("team", "env:AFTER")); err != nil {
		t.Fatal(err)
	}
	if got := s.watcher.Load().Status(); len(got.Vaults) != 1 {
		t.Errorf("until the next round the page shows nothing: %+v", got)
	}
	clock = clock.Add(27 * time.Hour)
	s.lookAround(t.Context())
	if before.count("missing") != 0 || after.count("missing") != 1 {
		t.Errorf("the old channel was told %d times, the new one %d times, want 0 and 1", before.count("missing"), after.count("missing"))
	}
}
