package heartbeat

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestAPingIsTriedAgainAndShowsNoURL(t *testing.T) {
	for _, test := range []struct {
		name    string
		refused int // answers with 503 before it accepts
		calls   int
		fails   bool
	}{
		{"taken at once", 0, 1, false},
		{"taken at the third try", 2, 3, false},
		{"never taken", 9, 3, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			calls := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if calls++; calls <= test.refused {
					w.WriteHeader(http.StatusServiceUnavailable)
				}
			}))
			defer server.Close()
			err := Ping(t.Context(), server.Client(), server.URL+"/a-secret", func(context.Context, time.Duration) error { return nil })
			if (err != nil) != test.fails || calls != test.calls {
				t.Errorf("%d calls, %v; want %d, an error: %v", calls, err, test.calls, test.fails)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the error shows the URL: %v", err)
			}
		})
	}
}

func TestAPingOfNobodyEndsWithItsContext(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	err := Ping(ctx, http.DefaultClient, server.URL+"/a-secret", func(ctx context.Context, _ time.Duration) error {
		cancel()
		return ctx.Err()
	})
	if err == nil || errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v, want what the network said, without the URL", err)
	}
	for _, bad := range []string{"://secret", "http://[secret"} {
		if err := Ping(t.Context(), http.DefaultClient, bad, func(context.Context, time.Duration) error { return errors.New("enough") }); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}
