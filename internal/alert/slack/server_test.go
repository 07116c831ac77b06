package slack_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-backup/holdfast/internal/alert/conform"
)

const (
	token     = "xoxb-1234567890-abcdefghijkl"
	channelID = "C0123456789"
	hookPath  = "/services/T00000000/B00000000/hook-secret-0123"
)

// message is a message in the channel.
type message struct {
	TS        string
	Thread    string // ts of the one it replies to
	Broadcast bool
	Text      string
	Blocks    json.RawMessage
	Edited    int // how many times it was
}

// server does what Slack does with an incoming webhook, chat.postMessage and
// chat.update, and is as strict with what it is sent as Slack's documentation, in
// some things stricter.
type server struct {
	*httptest.Server
	t *testing.T

	mu        sync.Mutex
	messages  []*message
	calls     []string // the paths that were asked for
	behaviour conform.Behaviour
	script    []answer // what the next calls are answered, whatever they are
	picky     bool     // refuses all blocks
	closing   chan struct{}
}

// answer is one of a script.
type answer struct {
	path   string // of the calls it is for; "" for any
	status int
	header map[string]string
	body   string
	hang   bool
}

func newServer(t *testing.T) *server {
	s := &server{t: t, closing: make(chan struct{})}
	s.Server = httptest.NewServer(s)
	t.Cleanup(func() { close(s.closing); s.Close() })
	return s
}

func (s *server) Behave(b conform.Behaviour) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.behaviour = b
	return nil
}

// Taken implements conform.Far: what is in the channel, with all its texts.
func (s *server) Taken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, m := range s.messages {
		all = append(all, m.Text+"\n"+string(m.Blocks))
	}
	return all
}

// say makes the next calls be answered so.
func (s *server) say(answers ...answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = answers
}

// channel returns copies of the messages in the channel.
func (s *server) channel() []message {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []message
	for _, m := range s.messages {
		all = append(all, *m)
	}
	return all
}

func (s *server) called() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.calls...)
}

// scripted returns the answer that is due for a call.
func (s *server) scripted(path string) (answer, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, path)
	switch s.behaviour {
	case conform.Hangs:
		return answer{hang: true}, true
	case conform.Refuses:
		return answer{status: 404, body: "no_such_hook " + hookPath + " for\n" + token}, true
	case conform.Fails:
		return answer{status: 503, body: "<html>" + hookPath + token}, true
	case conform.Garbage:
		return answer{status: 200, body: "<html>" + token}, true
	case conform.Busy:
		return answer{status: 429, header: map[string]string{"Retry-After": "30"}, body: `{"ok":false,"error":"ratelimited"}`}, true
	}
	if len(s.script) > 0 && (s.script[0].path == "" || s.script[0].path == path) {
		a := s.script[0]
		s.script = s.script[1:]
		return a, true
	}
	return answer{}, false
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has gone
	}
	if a, ok := s.scripted(r.URL.Path); ok {
		if a.hang {
			select {
			case <-r.Context().Done():
			case <-s.closing:
			}
			return
		}
		for name, value := range a.header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.body)
		return
	}
	if r.Method != http.MethodPost {
		s.t.Errorf("%s %s: want POST", r.Method, r.URL.Path)
	}
	switch r.URL.Path {
	case hookPath:
		s.webhook(w, r, body)
	case "/api/chat.postMessage", "/api/chat.update":
		s.call(w, r, body)
	default:
		http.Error(w, "no_service", http.StatusNotFound)
	}
}

// webhook takes JSON and answers "ok", or a word with a status.
func (s *server) webhook(w http.ResponseWriter, r *http.Request, body []byte) {
	var in struct {
		Text        string          `json:"text"`
		Blocks      json.RawMessage `json:"blocks"`
		UnfurlLinks *bool           `json:"unfurl_links"`
		UnfurlMedia *bool           `json:"unfurl_media"`
		// Fields that a webhook ignores or that slack-go always sends.
		ReplaceOriginal bool `json:"replace_original"`
		DeleteOriginal  bool `json:"delete_original"`
	}
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&in); err != nil || r.Header.Get("Content-Type") != "application/json" {
		s.t.Errorf("webhook: %v, content type %q, in %.200s", err, r.Header.Get("Content-Type"), body)
		http.Error(w, "invalid_payload", http.StatusBadRequest)
		return
	}
	if in.UnfurlLinks == nil || *in.UnfurlLinks || in.UnfurlMedia == nil || *in.UnfurlMedia {
		s.t.Error("webhook: Slack would fetch the links of the message")
	}
	if word := s.check(in.Text, in.Blocks); word != "" {
		http.Error(w, word, http.StatusBadRequest)
		return
	}
	s.add(message{Text: in.Text, Blocks: in.Blocks})
	_, _ = io.WriteString(w, "ok")
}

// call takes a form and answers JSON.
func (s *server) call(w http.ResponseWriter, r *http.Request, body []byte) {
	form, err := url.ParseQuery(string(body))
	if err != nil || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		s.t.Errorf("%s: %v, content type %q", r.URL.Path, err, r.Header.Get("Content-Type"))
	}
	answer := func(v map[string]any) { _ = json.NewEncoder(w).Encode(v) }
	fail := func(word string) { answer(map[string]any{"ok": false, "error": word}) }
	bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case form.Get("token") != token && bearer != token:
		fail("invalid_auth")
		return
	case form.Get("channel") != channelID:
		fail("channel_not_found")
		return
	}
	for name := range form {
		if !strings.Contains(" token channel text blocks thread_ts reply_broadcast ts unfurl_links unfurl_media ", " "+name+" ") {
			s.t.Errorf("%s: unexpected field %s", r.URL.Path, name)
		}
	}
	if form.Get("unfurl_links") != "false" || form.Get("unfurl_media") != "false" {
		s.t.Errorf("%s: Slack would fetch the links of the message", r.URL.Path)
	}
	if word := s.check(form.Get("text"), json.RawMessage(form.Get("blocks"))); word != "" {
		fail(word)
		return
	}
	var m message
	if r.URL.Path == "/api/chat.update" {
		at := s.find(form.Get("ts"))
		if at == nil {
			fail("message_not_found")
			return
		}
		s.mu.Lock()
		at.Text, at.Blocks = form.Get("text"), json.RawMessage(form.Get("blocks"))
		at.Edited++
		m = *at
		s.mu.Unlock()
	} else {
		thread := form.Get("thread_ts")
		if thread != "" && s.find(thread) == nil {
			fail("thread_not_found")
			return
		}
		if thread == "" && form.Get("reply_broadcast") != "" {
			s.t.Error("reply_broadcast of what is no reply")
		}
		m = s.add(message{
			Text: form.Get("text"), Blocks: json.RawMessage(form.Get("blocks")), Thread: thread,
			Broadcast: form.Get("reply_broadcast") == "true",
		})
	}
	answer(map[string]any{"ok": true, "channel": channelID, "ts": m.TS, "message": map[string]any{"text": m.Text, "ts": m.TS, "thread_ts": m.Thread}})
}

func (s *server) add(m message) message {
	s.mu.Lock()
	defer s.mu.Unlock()
	m.TS = fmt.Sprintf("1761660000.%06d", len(s.messages)+1)
	s.messages = append(s.messages, &m)
	return m
}

// find returns the message of a time, which must not be a reply.
func (s *server) find(ts string) *message {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.messages {
		if m.TS == ts && m.Thread == "" {
			return m
		}
	}
	return nil
}

// check returns Slack's word for what is wrong with a message, and fails the test:
// what this package sends should be right.
func (s *server) check(text string, blocks json.RawMessage) string {
	s.mu.Lock()
	picky := s.picky
	s.mu.Unlock()
	switch {
	case text == "" && len(blocks) == 0:
		s.t.Error("a message without text and blocks")
		return "no_text"
	case len(blocks) == 0:
		if err := checkMrkdwn(text, 40_000); err != nil {
			s.t.Errorf("text: %v", err)
		}
		return ""
	case picky:
		return "invalid_blocks"
	}
	if err := checkMrkdwn(text, 3000); err != nil {
		s.t.Errorf("text: %v", err)
	}
	if text == "" {
		s.t.Error("blocks without a text for notifications")
	}
	if err := checkBlocks(blocks); err != nil {
		s.t.Errorf("blocks: %v", err)
		return "invalid_blocks"
	}
	return ""
}
