package slack_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert/conform"
	"github.com/holdfast-backup/holdfast/internal/alert/sample"
	"github.com/holdfast-backup/holdfast/internal/alert/slack"
	"github.com/holdfast-backup/holdfast/internal/secret"
)

var update = flag.Bool("update", false, "write the golden files")

var now = time.Date(2025, 10, 28, 14, 0, 0, 0, time.UTC)

// waits are what a channel waited for, without the waiting.
type waits []time.Duration

func (w *waits) wait(ctx context.Context, d time.Duration) error {
	*w = append(*w, d)
	return ctx.Err()
}

func open(t *testing.T, o slack.Options) *slack.Channel {
	t.Helper()
	c, err := slack.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func webhook(t *testing.T, s *server, w *waits) *slack.Channel {
	return open(t, slack.Options{Webhook: secret.New(s.URL + hookPath), Wait: w.wait})
}

func bot(t *testing.T, s *server, w *waits) *slack.Channel {
	return open(t, slack.Options{Token: secret.New(token), Channel: channelID, API: s.URL + "/api", Wait: w.wait})
}

// both runs a test with each kind of channel.
func both(t *testing.T, test func(t *testing.T, s *server, w *waits, c *slack.Channel)) {
	for name, open := range map[string]func(*testing.T, *server, *waits) *slack.Channel{"webhook": webhook, "bot": bot} {
		t.Run(name, func(t *testing.T) {
			s, w := newServer(t), &waits{}
			test(t, s, w, open(t, s, w))
		})
	}
}

// send sends with a deadline that leaves room for one wait of some seconds.
func send(t *testing.T, c *slack.Channel, m holdfast.Message) (string, error) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	return c.Send(ctx, m)
}

func TestPromises(t *testing.T) {
	for name, open := range map[string]func(*testing.T, *server) *slack.Channel{
		"webhook": func(t *testing.T, s *server) *slack.Channel {
			return open(t, slack.Options{Webhook: secret.New(s.URL + hookPath)})
		},
		"bot": func(t *testing.T, s *server) *slack.Channel {
			return open(t, slack.Options{Token: secret.New(token), Channel: channelID, API: s.URL + "/api/"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			env := &conform.Env{
				Channel: open(t, s), Far: s, Now: now,
				Secrets: []string{token, hookPath, "hook-secret-0123", "B00000000"},
			}
			results := conform.Run(t.Context(), env)
			if len(results) != len(conform.Checks()) {
				t.Fatalf("got %d results of %d checks", len(results), len(conform.Checks()))
			}
			for _, r := range results {
				if r.Err != nil {
					t.Errorf("%s: %v", r.Name, r.Err)
				}
			}
		})
	}
}

// pretty returns messages of the channel as a person can read them.
func pretty(t *testing.T, messages ...message) string {
	t.Helper()
	var b strings.Builder
	for _, m := range messages {
		b.WriteString("ts:        " + m.TS + "\n")
		if m.Thread != "" {
			b.WriteString("in thread: " + m.Thread + "\n")
		}
		if m.Broadcast {
			b.WriteString("shown in the channel too\n")
		}
		if m.Edited > 0 {
			b.WriteString("(edited)\n")
		}
		b.WriteString("text:      " + m.Text + "\n")
		if len(m.Blocks) > 0 {
			var compact any
			if err := json.Unmarshal(m.Blocks, &compact); err != nil {
				t.Fatal(err)
			}
			encoder := json.NewEncoder(&b)
			encoder.SetEscapeHTML(false)
			encoder.SetIndent("", "  ")
			if err := encoder.Encode(compact); err != nil {
				t.Fatal(err)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func name(m holdfast.Message) string {
	return regexp.MustCompile(`^sample-|-\d{8}t\d{6}z$`).ReplaceAllString(m.ID, "")
}

func TestEverySampleThroughAWebhook(t *testing.T) {
	for _, m := range append(sample.Messages(now), sample.Hostile(now)...) {
		t.Run(name(m), func(t *testing.T) {
			s := newServer(t)
			posted, err := send(t, webhook(t, s, &waits{}), m)
			if err != nil || posted != "" {
				t.Fatalf("got %q, %v", posted, err)
			}
			golden(t, name(m)+".txt", pretty(t, s.channel()...))
		})
	}
}

func TestABotKeepsAThreadUpToDate(t *testing.T) {
	s := newServer(t)
	c := bot(t, s, &waits{})
	posted := map[string]string{}
	for i, m := range sample.Messages(now)[:6] {
		if m.Thread != nil {
			m.Thread.Posted = posted[m.Thread.ID]
		}
		at, err := send(t, c, m)
		if err != nil {
			t.Fatal(err)
		}
		if posted[m.ID] = at; m.Thread != nil {
			if at != m.Thread.Posted {
				t.Errorf("%s: got %q, its thread is %q", m.ID, at, m.Thread.Posted)
			}
			first := s.find(strings.Split(at, ":")[1])
			golden(t, "first-message-after-"+name(m)+".txt", pretty(t, *first))
		}
		if got := len(s.channel()); got != i+1 {
			t.Fatalf("%s: there are %d messages, want %d", m.ID, got, i+1)
		}
	}
	all := s.channel()
	for i, want := range []message{
		{}, {Thread: all[0].TS}, {Thread: all[0].TS, Broadcast: true},
		{}, {Thread: all[3].TS, Broadcast: true}, {Thread: all[3].TS},
	} {
		if got := all[i]; got.Thread != want.Thread || got.Broadcast != want.Broadcast {
			t.Errorf("message %d: in thread %q, broadcast %v; want %q, %v", i, got.Thread, got.Broadcast, want.Thread, want.Broadcast)
		}
	}
	for i, edited := range []int{2, 0, 0, 2, 0, 0} {
		if all[i].Edited != edited {
			t.Errorf("message %d was edited %d times, want %d", i, all[i].Edited, edited)
		}
	}
	if got := string(all[0].Blocks); !strings.Contains(got, "RESOLVED") || !strings.Contains(got, "after 30h") || !strings.Contains(got, "~web1/crm") {
		t.Errorf("the first message does not say that it is over: %s", got)
	}
}

func TestFailingAtTheUpdateAloneIsNoError(t *testing.T) {
	for name, a := range map[string]answer{
		"out of order": {path: "/api/chat.update", status: 500},
		"refused":      {path: "/api/chat.update", status: 200, body: `{"ok":false,"error":"edit_window_closed"}`},
		"busy":         {path: "/api/chat.update", status: 429, header: map[string]string{"Retry-After": "1"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, w := newServer(t), &waits{}
			c := bot(t, s, w)
			messages := sample.Messages(now)
			posted, err := send(t, c, messages[0])
			if err != nil {
				t.Fatal(err)
			}
			messages[1].Thread.Posted = posted
			s.say(a)
			if again, err := send(t, c, messages[1]); err != nil || again != posted {
				t.Errorf("got %q, %v, want %q", again, err, posted)
			}
			if got := len(s.channel()); got != 2 || len(*w) != 0 {
				t.Errorf("there are %d messages after %v, want 2 at once", got, *w)
			}
		})
	}
}

func TestAThreadThatIsGoneBeginsAnew(t *testing.T) {
	m := sample.Messages(now)[2]
	for name, posted := range map[string]string{
		"deleted":          channelID + ":1761000000.000001",
		"another channel":  "C9999999999:1761000000.000001",
		"of another kind":  "<something@example.com>",
		"never posted":     "",
		"a malformed time": channelID + ":now",
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			m.Thread.Posted = posted
			got, err := send(t, bot(t, s, &waits{}), m)
			all := s.channel()
			if err != nil || len(all) != 1 || all[0].Thread != "" || got != channelID+":"+all[0].TS {
				t.Errorf("got %q, %v with %+v", got, err, all)
			}
			if calls := s.called(); len(calls) != 1 && name != "deleted" {
				t.Errorf("asked %q, and could know that there is no such thread here", calls)
			}
		})
	}
}

func TestNewRefusesWhatCannotBe(t *testing.T) {
	for name, o := range map[string]slack.Options{
		"nothing":            {},
		"both":               {Webhook: secret.New("https://hooks.example.com/x"), Token: secret.New(token), Channel: channelID},
		"a bot nowhere":      {Token: secret.New(token)},
		"no URL":             {Webhook: secret.New("hook-secret-0123")},
		"no URL of the web":  {Webhook: secret.New("file:///hook-secret-0123")},
		"an unparseable URL": {Webhook: secret.New("https://[hook-secret-0123")},
	} {
		if _, err := slack.New(o); err == nil || strings.Contains(err.Error(), "hook-secret-0123") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestTimesAreThoseOfTheZone(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t)
	c := open(t, slack.Options{Webhook: secret.New(s.URL + hookPath), Location: paris, HTTP: &http.Client{}})
	if _, err := send(t, c, sample.Messages(now)[2]); err != nil {
		t.Fatal(err)
	}
	if got := s.channel()[0].Blocks; !bytes.Contains(got, []byte("2025-10-28 15:00 CET")) || bytes.Contains(got, []byte("UTC")) {
		t.Errorf("got %s", got)
	}
}
