package test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert/plain"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// people are those who are told, through a channel of each kind.
type people struct {
	slack    *slackServer
	mail     *mailbox
	pager    *pager
	phone    *receiver
	trust    string // file of the certificates that are trusted
	channels []interface {
		name() string
		subjects(t *testing.T) []string // what it was told, message by message
	}
}

func newPeople(t *testing.T) *people {
	t.Helper()
	dir := t.TempDir()
	p := &people{slack: newSlack(t, dir), mail: &mailbox{testenv.SMTP(t)}, pager: newPager(t), phone: newReceiver(t), trust: filepath.Join(dir, "trust.pem")}
	write(t, p.trust, p.mail.Certificate+read(t, filepath.Join(dir, "cert.pem")), 0o644)
	p.channels = append(p.channels, slackWebhook{p.slack}, slackBot{p.slack}, p.mail, p.pager, shoutrrr{p.phone})
	return p
}

// yaml writes the secrets into a directory and returns the YAML of the channels.
func (p *people) yaml(dir string) string {
	for name, secret := range map[string]string{
		"chat.url": p.slack.hook.URL + slackHookPath, "team.token": slackToken, "mail.password": p.mail.Password,
		"pager.url": p.pager.URL, "pager.secret": pagerSecret,
		"phone.url": "generic://" + strings.TrimPrefix(p.phone.URL, "http://") + "/?disabletls=yes",
	} {
		write(p.pager.t, filepath.Join(dir, name), secret+"\n", 0o600)
	}
	return fmt.Sprintf(`    chat: { slack: { webhook: "file:chat.url" } }
    team: { slack: { token: "file:team.token", channel: %s } }
    mail: { email: { from: Holdfast <backup@example.com>, to: [ops@example.com], smtp: { host: %s, port: %d, user: %s, password: "file:mail.password" } } }
%s    phone: { shoutrrr: { url: "file:phone.url" } }
`, slackChannel, p.mail.Host, p.mail.STARTTLS, p.mail.User, p.pager.yaml())
}

// env makes programs take the stand-ins for the real services: what is not on this
// machine they reach through a proxy, and there Slack is ours.
func (p *people) env() []string {
	return []string{"SSL_CERT_FILE=" + p.trust, "HTTPS_PROXY=" + p.slack.proxy.URL, "https_proxy=", "NO_PROXY=", "no_proxy="}
}

// receiver is a program that takes messages by HTTP.
type receiver struct {
	*httptest.Server
	t     *testing.T
	now   func() time.Time
	judge atomic.Pointer[judge] // deals with requests itself, which are then not taken

	mu     sync.Mutex
	seen   []request // all
	bodies []request // those that were taken
}

// request is what a receiver was sent.
type request struct {
	header http.Header
	body   []byte
	at     time.Time
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{t: t, now: time.Now}
	r.Server = httptest.NewServer(r)
	t.Cleanup(func() {
		r.CloseClientConnections()
		r.Close()
	})
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, in *http.Request) {
	body, err := io.ReadAll(in.Body)
	if err != nil {
		return // the sender has gone
	}
	r.mu.Lock()
	r.seen = append(r.seen, request{in.Header, body, r.now()})
	r.mu.Unlock()
	if j := r.judge.Load(); j != nil && (*j)(w, in) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bodies = append(r.bodies, request{in.Header, body, r.now()})
}

// let has a judge deal with requests; nil takes them.
func (r *receiver) let(j judge) {
	if j == nil {
		r.judge.Store(nil)
		return
	}
	r.judge.Store(&j)
}

// taken returns what was taken, sent what was sent, be it refused.
func (r *receiver) taken() []request { return r.copy(&r.bodies) }
func (r *receiver) sent() []request  { return r.copy(&r.seen) }

func (r *receiver) copy(of *[]request) []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]request(nil), *of...)
}

// hold keeps a receiver from answering until it is released.
func (r *receiver) hold() (release func()) {
	released := make(chan struct{})
	release = sync.OnceFunc(func() {
		r.let(nil)
		close(released)
	})
	r.t.Cleanup(release)
	r.let(func(_ http.ResponseWriter, in *http.Request) bool {
		select {
		case <-released:
			return false
		case <-in.Context().Done():
			return true
		}
	})
	return release
}

// shoutrrr is a receiver of what shoutrrr's generic service sends.
type shoutrrr struct{ *receiver }

func (shoutrrr) name() string { return "phone" }

func (s shoutrrr) subjects(*testing.T) []string {
	var all []string
	for _, r := range s.taken() {
		first, _, _ := strings.Cut(string(r.body), "\n")
		all = append(all, first)
	}
	return all
}

// pager is a receiver of the signed webhook.
type pager struct {
	*receiver
	linkless bool // no server is there that would show a page
}

const pagerSecret = "a secret of the pager's"

func newPager(t *testing.T) *pager { return &pager{receiver: newReceiver(t)} }

// yaml is its channel.
func (*pager) yaml() string {
	return "    pager: { webhook: { url: \"file:pager.url\", secret: \"file:pager.secret\" } }\n"
}

func (*pager) name() string { return "pager" }

func (p *pager) subjects(t *testing.T) []string {
	var all []string
	for _, m := range p.messages(t) {
		all = append(all, plain.Subject(m))
	}
	return all
}

// messages returns what the pager was told, having verified each signature as
// docs/webhook.md says.
func (p *pager) messages(t *testing.T) []holdfast.Message {
	t.Helper()
	var all []holdfast.Message
	for _, r := range p.taken() {
		var document struct {
			Version int
			Message holdfast.Message
		}
		decode(t, string(r.body), &document)
		m := document.Message
		header := r.header.Get("Holdfast-Signature")
		at, sum, _ := strings.Cut(strings.TrimPrefix(header, "t="), ",v1=")
		mac := hmac.New(sha256.New, []byte(pagerSecret))
		_, _ = io.WriteString(mac, at+"."+string(r.body))
		if want := hex.EncodeToString(mac.Sum(nil)); !hmac.Equal([]byte(sum), []byte(want)) {
			t.Fatalf("signature: got %q, want %s", header, want)
		}
		if signed, err := strconv.ParseInt(at, 10, 64); err != nil || r.at.Sub(time.Unix(signed, 0)).Abs() > 5*time.Minute {
			t.Fatalf("signature: got the time %q, want about %d", at, r.at.Unix())
		}
		if document.Version != 1 || r.header.Get("Holdfast-Id") != m.ID || m.ID == "" || m.Link == "" && !p.linkless {
			t.Fatalf("webhook: got the headers %v of %s", r.header, r.body)
		}
		all = append(all, m)
	}
	return all
}

// items returns what the pager was told, change by change: "opened web1/crm fresh".
func (p *pager) items(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, m := range p.messages(t) {
		for _, i := range m.Items {
			all = append(all, fmt.Sprintf("%s %s %s", i.Step, i.Finding.Subject(), i.Finding.Check))
		}
	}
	return all
}
