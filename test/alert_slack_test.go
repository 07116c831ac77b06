package test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

const (
	slackToken    = "xoxb-1234567890-abcdefghijkl"
	slackChannel  = "C0123456789"
	slackHookPath = "/services/T00000000/B00000000/hook-secret-0123"
)

// slackServer stands in for Slack: an incoming webhook, and the Web API at slack.com
// for those who go through its proxy. Block Kit's rules are held against what is sent
// in internal/alert/slack.
type slackServer struct {
	t     *testing.T
	hook  *httptest.Server
	api   *httptest.Server
	proxy *httptest.Server

	mu     sync.Mutex
	posted []string        // by the webhook
	thread []*slackMessage // by the bot
}

// slackMessage is what the bot has posted.
type slackMessage struct {
	ts, to    string // its own, and that of the message whose thread it is in
	text      string
	broadcast bool
	edits     []string // texts that it was given later
}

// newSlack starts it, and leaves its certificate as cert.pem in dir.
func newSlack(t *testing.T, dir string) *slackServer {
	t.Helper()
	s := &slackServer{t: t}
	s.hook = httptest.NewServer(http.HandlerFunc(s.webhook))
	s.api = httptest.NewUnstartedServer(http.HandlerFunc(s.call))
	selfSigned(t, dir, "slack.com")
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	must(t, err)
	s.api.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	s.api.StartTLS()
	s.proxy = httptest.NewServer(connectProxy(s.api.Listener.Addr().String(), new(atomic.Int64)))
	t.Cleanup(func() {
		for _, server := range []*httptest.Server{s.hook, s.api, s.proxy} {
			server.CloseClientConnections()
			server.Close()
		}
	})
	return s
}

func (s *slackServer) webhook(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Text   string
		Blocks []json.RawMessage
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.URL.Path != slackHookPath || len(in.Blocks) == 0 {
		s.t.Errorf("webhook of Slack: %s, %v, %d blocks", r.URL.Path, err, len(in.Blocks))
		http.Error(w, "invalid_payload", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.posted = append(s.posted, html.UnescapeString(in.Text))
	_, _ = io.WriteString(w, "ok")
}

func (s *slackServer) call(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	form, formErr := url.ParseQuery(string(body))
	bearer := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	answer := func(fields map[string]any) { _ = json.NewEncoder(w).Encode(fields) }
	if err != nil || formErr != nil || r.Host != "slack.com" || bearer != slackToken && form.Get("token") != slackToken || form.Get("channel") != slackChannel {
		s.t.Errorf("Web API of Slack: %s %s, %v, %v", r.Host, r.URL.Path, err, formErr)
		answer(map[string]any{"ok": false, "error": "invalid_auth"})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	text, ts := html.UnescapeString(form.Get("text")), form.Get("ts")
	switch r.URL.Path {
	case "/api/chat.postMessage":
		m := &slackMessage{text: text, to: form.Get("thread_ts"), broadcast: form.Get("reply_broadcast") == "true"}
		ts = fmt.Sprintf("1761660000.%06d", len(s.thread)+1)
		m.ts = ts
		s.thread = append(s.thread, m)
	case "/api/chat.update":
		for _, m := range s.thread {
			if m.ts == ts {
				m.edits = append(m.edits, text)
			}
		}
	default:
		s.t.Errorf("Web API of Slack: %s", r.URL.Path)
	}
	answer(map[string]any{"ok": true, "channel": slackChannel, "ts": ts})
}

// bot returns copies of what the bot has posted.
func (s *slackServer) bot() []slackMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []slackMessage
	for _, m := range s.thread {
		all = append(all, *m)
	}
	return all
}

// slackWebhook and slackBot are its two channels.
type (
	slackWebhook struct{ *slackServer }
	slackBot     struct{ *slackServer }
)

func (slackWebhook) name() string { return "chat" }
func (slackBot) name() string     { return "team" }

func (s slackWebhook) subjects(*testing.T) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.posted...)
}

func (s slackBot) subjects(*testing.T) []string {
	var all []string
	for _, m := range s.bot() {
		all = append(all, m.text)
	}
	return all
}
