package rehearsal

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// audience is where people are told, but for their mailboxes: a workspace of Slack,
// a program that takes webhooks, and a service that expects heartbeats.
type audience struct {
	url    string
	secret string // that webhooks are signed with

	mu     sync.Mutex
	slack  []slackMessage
	hook   []holdfast.Message
	beats  map[string]int
	faults []string // what came and should not have
	before func()   // called before a webhook is answered
}

// slackMessage is what an incoming webhook takes, as far as it is looked at here.
type slackMessage struct {
	Text   string            `json:"text"`
	Blocks []json.RawMessage `json:"blocks"`
}

// Paths, each as hard to guess as a secret has to be.
const (
	slackPath   = "/services/T0REHEARS/B0REHEARS/c8d1f0a3b2e49576c8d1f0a3"
	hookPath    = "/hook/5f0c9e7d1b3a"
	partnerPath = "/partner/77e1d2c3b4a5" // of which no job wants anything told
	beatPath    = "/ping/2d6b8f9e-start-or-not/"
)

func newAudience(t testing.TB) *audience {
	t.Helper()
	a := &audience{secret: "secret that webhooks are signed with, of the rehearsal", beats: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+slackPath, a.takeSlack)
	mux.HandleFunc("POST "+hookPath, a.takeHook)
	mux.HandleFunc("GET "+beatPath+"{what}", func(_ http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.beats[r.PathValue("what")]++
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		a.refuse(w, fmt.Errorf("%s %s: nobody waits for that", r.Method, r.URL))
	})
	a.url = listen(t, mux)
	return a
}

func (a *audience) refuse(w http.ResponseWriter, err error) {
	a.mu.Lock()
	a.faults = append(a.faults, err.Error())
	a.mu.Unlock()
	http.Error(w, err.Error(), http.StatusBadRequest)
}

func (a *audience) takeSlack(w http.ResponseWriter, r *http.Request) {
	var m slackMessage
	body, err := readBody(r.Body, maxRequest)
	if err == nil {
		err = json.Unmarshal(body, &m)
	}
	if err != nil || m.Text == "" || len(m.Blocks) == 0 {
		a.refuse(w, fmt.Errorf("slack: %v: %s", err, body))
		return
	}
	a.mu.Lock()
	a.slack = append(a.slack, m)
	a.mu.Unlock()
	_, _ = w.Write([]byte("ok"))
}

func (a *audience) takeHook(w http.ResponseWriter, r *http.Request) {
	var document struct {
		Version int
		Message holdfast.Message
	}
	body, err := readBody(r.Body, maxRequest)
	if err == nil {
		err = verify(body, r.Header.Get("Holdfast-Signature"), a.secret, time.Now())
	}
	if err == nil {
		err = json.Unmarshal(body, &document)
	}
	if m := document.Message; err == nil && (document.Version != 1 || m.ID == "" || m.ID != r.Header.Get("Holdfast-Id")) {
		err = fmt.Errorf("version %d, id %q, in the header %q", document.Version, m.ID, r.Header.Get("Holdfast-Id"))
	}
	if err != nil {
		a.refuse(w, fmt.Errorf("webhook: %w: %s", err, body))
		return
	}
	a.mu.Lock()
	a.hook = append(a.hook, document.Message)
	before := a.before
	a.before = nil
	a.mu.Unlock()
	if before != nil {
		before()
	}
	w.WriteHeader(http.StatusNoContent)
}

var signature = regexp.MustCompile(`^t=([0-9]{1,12}),v1=([0-9a-f]{64})$`)

// verify is what docs/webhook.md tells receivers to do.
func verify(body []byte, header, secret string, now time.Time) error {
	found := signature.FindStringSubmatch(header)
	if found == nil {
		return fmt.Errorf("signature: got %q", header)
	}
	at, err := strconv.ParseInt(found[1], 10, 64)
	if age := now.Sub(time.Unix(at, 0)).Abs(); err != nil || age > 5*time.Minute {
		return fmt.Errorf("signature: is %s old", age)
	}
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = fmt.Fprintf(mac, "%s.%s", found[1], body)
	if want := hex.EncodeToString(mac.Sum(nil)); !hmac.Equal([]byte(want), []byte(found[2])) {
		return fmt.Errorf("signature: is false")
	}
	return nil
}

// beforeNextAnswer has the next webhook call it before it is answered.
func (a *audience) beforeNextAnswer(do func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.before = do
}

// take returns what was told since it was last asked.
func (a *audience) take() (slack []slackMessage, hook []holdfast.Message, faults []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	slack, hook, faults = a.slack, a.hook, a.faults
	a.slack, a.hook, a.faults = nil, nil, nil
	return slack, hook, faults
}

// takeBeats returns the heartbeats since it was last asked.
func (a *audience) takeBeats() map[string]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	beats := a.beats
	a.beats = map[string]int{}
	return beats
}
