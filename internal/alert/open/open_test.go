package open

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/holdfast-backup/holdfast/internal/alert/sample"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/secret"
)

var now = time.Date(2025, 10, 28, 14, 0, 0, 0, time.UTC)

// services is a far side for each kind of channel that is spoken to by HTTP.
type services struct {
	*httptest.Server
	bodies map[string]string // by path
	header http.Header       // of the last
}

func newServices(t *testing.T) *services {
	s := &services{bodies: map[string]string{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		s.bodies[r.URL.Path], s.header = string(body), r.Header
		switch r.URL.Path {
		case "/api/chat.postMessage":
			_, _ = io.WriteString(w, `{"ok":true,"channel":"C0123456789","ts":"1761660000.000001"}`)
		case "/ntfy":
			_, _ = io.WriteString(w, `{}`)
		default:
			_, _ = io.WriteString(w, "ok")
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// secrets writes secrets as files and returns the reference of each.
func write(t *testing.T, value string) secret.Ref {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(value+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return secret.Ref("file:" + path)
}

func TestEachKindIsWired(t *testing.T) {
	s := newServices(t)
	host := strings.TrimPrefix(s.URL, "http://")
	channels := map[string]config.Channel{
		"bot":  {Slack: &config.Slack{Token: write(t, "xoxb-1"), Channel: "C0123456789"}, TimeZone: "Europe/Paris"},
		"hook": {Slack: &config.Slack{Webhook: write(t, s.URL+"/slack")}, TimeZone: "Europe/Paris"},
		"json": {Webhook: &config.Webhook{URL: write(t, s.URL+"/json"), Secret: write(t, "key")}},
		"ntfy": {Shoutrrr: &config.Shoutrrr{URL: write(t, "ntfy://"+host+"/ntfy?scheme=http")}, TimeZone: "Europe/Paris"},
	}
	all, problems := Open(t.Context(), channels, Options{
		Secrets: secret.Local, HTTP: s.Client(), Now: func() time.Time { return now }, UserAgent: "holdfast test", slackAPI: s.URL + "/api",
	})
	if len(problems) > 0 || len(all) != len(channels) {
		t.Fatalf("got %d channels, %v", len(all), problems)
	}
	for name, path := range map[string]string{"bot": "/api/chat.postMessage", "hook": "/slack", "json": "/json", "ntfy": "/ntfy"} {
		if _, err := all[name].Send(t.Context(), sample.Messages(now)[0]); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		body := s.bodies[path]
		if !strings.Contains(body, "web1") {
			t.Errorf("%s: the message has not come: %q", name, body)
		}
		if in := strings.Contains(body, "CET") || strings.Contains(body, "CEST"); in == (name == "json") {
			t.Errorf("%s: times in the zone of the channel: %v", name, in)
		}
		if name == "json" && (!strings.HasPrefix(s.header.Get("Holdfast-Signature"), "t="+strconv.FormatInt(now.Unix(), 10)) || s.header.Get("User-Agent") != "holdfast test") {
			t.Errorf("%s: got the headers %v", name, s.header)
		}
	}
}

func TestMailIsWired(t *testing.T) {
	// Who is connected to is seen; that mail arrives is the email package's own test.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	connected := make(chan struct{})
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			close(connected)
			_ = conn.Close()
		}
	}()
	asked := ""
	port := listener.Addr().(*net.TCPAddr).Port
	all, problems := Open(t.Context(), map[string]config.Channel{
		"smtp": {Email: &config.Email{From: "backup@example.com", To: []string{"ops@example.com"}, SMTP: &config.SMTP{Host: "127.0.0.1", Port: port, TLS: "none", User: "backup", Password: write(t, "passw0rd")}}},
		"ses":  {Email: &config.Email{From: "backup@example.com", To: []string{"ops@example.com"}, SES: &config.SES{Region: "eu-west-3"}}},
	}, Options{Secrets: secret.Local, AWS: func(context.Context) (aws.Config, error) {
		return aws.Config{
			HTTPClient: clientFunc(func(r *http.Request) (*http.Response, error) {
				asked = r.URL.Host
				return nil, errors.New("not to be reached")
			}),
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "s3cr3t"}, nil
			}),
			RetryMaxAttempts: 1,
		}, nil
	}})
	if len(problems) > 0 || len(all) != 2 {
		t.Fatalf("got %d channels, %v", len(all), problems)
	}
	for name, c := range all {
		if _, err := c.Send(t.Context(), sample.Messages(now)[0]); err == nil {
			t.Errorf("%s: was sent", name)
		}
	}
	<-connected
	if !strings.Contains(asked, "eu-west-3") {
		t.Errorf("ses: asked %q", asked)
	}
}

type clientFunc func(r *http.Request) (*http.Response, error)

func (f clientFunc) Do(r *http.Request) (*http.Response, error) { return f(r) }

func TestAChannelThatCannotBeMadeIsNamedAndSaysWhy(t *testing.T) {
	for name, c := range map[string]struct {
		channel config.Channel
		want    string
	}{
		"a secret that is missing": {config.Channel{Slack: &config.Slack{Webhook: "env:HOLDFAST_TEST_NO_SUCH"}}, "secret env:HOLDFAST_TEST_NO_SUCH: is empty"},
		"no URL":                   {config.Channel{Webhook: &config.Webhook{URL: write(t, "secretPath42")}}, "open webhook: its URL is not one of the web (https://…)"},
		"an unknown service":       {config.Channel{Shoutrrr: &config.Shoutrrr{URL: write(t, "pigeon://secretPath42")}}, "open shoutrrr: the URL names no service that it knows; want one such as ntfy://ntfy.sh/topic"},
		"a bot without a channel":  {config.Channel{Slack: &config.Slack{Token: write(t, "secretPath42")}}, "open slack: the bot has no channel"},
		"no AWS":                   {config.Channel{Email: &config.Email{From: "a@example.com", To: []string{"b@example.com"}, SES: &config.SES{}}}, "find AWS: no such account"},
		"no password": {config.Channel{Email: &config.Email{From: "a@example.com", To: []string{"b@example.com"}, SMTP: &config.SMTP{Host: "mail.example.com", User: "a", Password: "env:HOLDFAST_TEST_NO_SUCH"}}},
			"secret env:HOLDFAST_TEST_NO_SUCH: is empty"},
		"nothing":   {config.Channel{}, "want slack, email, webhook or shoutrrr"},
		"no place":  {config.Channel{TimeZone: "Mars/Olympus"}, `time zone "Mars/Olympus": unknown time zone Mars/Olympus`},
		"two wrong": {config.Channel{Webhook: &config.Webhook{URL: write(t, "https://example.com"), Secret: "env:HOLDFAST_TEST_NO_SUCH"}}, "secret env:HOLDFAST_TEST_NO_SUCH: is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			all, problems := Open(t.Context(), map[string]config.Channel{"ops": c.channel}, Options{
				Secrets: secret.Local, AWS: func(context.Context) (aws.Config, error) { return aws.Config{}, errors.New("no such account") },
			})
			if len(problems) != 1 || problems["ops"].Error() != c.want || len(all) != 1 {
				t.Fatalf("got %d channels, problems %v, want %s", len(all), problems, c.want)
			}
			if _, err := all["ops"].Send(t.Context(), sample.Messages(now)[0]); err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestABrokenChannelWorksOnceItCanBeMade(t *testing.T) {
	s := newServices(t)
	resolved, fetched := false, 0
	all, problems := Open(t.Context(), map[string]config.Channel{"ops": {Webhook: &config.Webhook{URL: "ssm:/holdfast/hook"}}}, Options{
		Secrets: func(context.Context, secret.Ref) (secret.Secret, error) {
			fetched++
			if !resolved {
				return secret.Secret{}, errors.New("get parameter: timed out")
			}
			return secret.New(s.URL + "/json"), nil
		},
	})
	if len(problems) != 1 {
		t.Fatalf("got %v", problems)
	}
	if _, err := all["ops"].Send(t.Context(), sample.Messages(now)[0]); err == nil || err.Error() != "get parameter: timed out" {
		t.Errorf("got %v", err)
	}
	resolved = true
	for range 2 {
		if _, err := all["ops"].Send(t.Context(), sample.Messages(now)[0]); err != nil {
			t.Error(err)
		}
	}
	if !strings.Contains(s.bodies["/json"], "web1") || fetched != 3 {
		t.Errorf("got %v, having fetched the secret %d times, want 3", s.bodies, fetched)
	}
}
