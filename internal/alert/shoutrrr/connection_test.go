package shoutrrr_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast/internal/alert/sample"
)

// counted is a far side that knows how many connections to it are open.
type counted struct {
	*httptest.Server
	mu   sync.Mutex
	open map[net.Conn]bool
	took int
}

func newCounted(t *testing.T, start func(*httptest.Server)) *counted {
	c := &counted{open: map[net.Conn]bool{}}
	c.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.took++
		_, _ = io.WriteString(w, `{"id":1}`)
	}))
	c.Config.ConnState = func(conn net.Conn, state http.ConnState) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if state == http.StateClosed || state == http.StateHijacked {
			delete(c.open, conn)
			return
		}
		c.open[conn] = true
	}
	start(c.Server)
	t.Cleanup(c.Close)
	return c
}

func (c *counted) host() string { _, host, _ := strings.Cut(c.URL, "://"); return host }

func (c *counted) counts() (took, open int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.took, len(c.open)
}

func TestSendsLeaveNoConnectionsOpen(t *testing.T) {
	const sends, few = 50, 3
	for name, address := range map[string]func(host string) string{
		"ntfy":       func(host string) string { return "ntfy://" + host + "/topic?scheme=http" },
		"gotify":     func(host string) string { return "gotify://" + host + "/Aabcdefghijklmn?disabletls=yes" },
		"mattermost": func(host string) string { return "mattermost://" + host + "/token?disabletls=yes" },
		"generic":    func(host string) string { return "generic://" + host + "/x?disabletls=yes" },
	} {
		t.Run(name, func(t *testing.T) {
			far := newCounted(t, (*httptest.Server).Start)
			c := open(t, address(far.host()))
			for range sends {
				if _, err := c.Send(t.Context(), sample.Messages(now)[0]); err != nil {
					t.Fatal(err)
				}
			}
			// The far side hears of the last end a little later.
			took, open := far.counts()
			for deadline := time.Now().Add(10 * time.Second); open > few && time.Now().Before(deadline); took, open = far.counts() {
				time.Sleep(time.Millisecond)
			}
			if took != sends || open > few {
				t.Errorf("%d messages were taken, and %d connections are open, want at most %d", took, open, few)
			}
		})
	}
}

func TestNtfyChecksCertificatesUnlessToldNotTo(t *testing.T) {
	far := newCounted(t, (*httptest.Server).StartTLS)
	_, err := open(t, "ntfy://"+far.host()+"/topic").Send(t.Context(), sample.Messages(now)[0])
	if took, _ := far.counts(); err == nil || !strings.Contains(err.Error(), "certificate") || took != 0 {
		t.Errorf("an unknown certificate: got %v, and %d messages were taken", err, took)
	}
	_, err = open(t, "ntfy://"+far.host()+"/topic?disabletlsverification=yes").Send(t.Context(), sample.Messages(now)[0])
	if took, _ := far.counts(); err != nil || took != 1 {
		t.Errorf("told not to check: got %v, and %d messages were taken", err, took)
	}
}

// TestAServiceThatPanicsIsAnError is about zulip's, which does where nobody answers.
func TestAServiceThatPanicsIsAnError(t *testing.T) {
	_, err := open(t, "zulip://bot%40example.com:secretKey42@nowhere.invalid?stream=ops").Send(t.Context(), sample.Messages(now)[0])
	if err == nil || strings.Contains(err.Error(), "secretKey42") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
}
