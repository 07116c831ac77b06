package email

import (
	"bytes"
	"flag"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/secret"
)

var update = flag.Bool("update", false, "write the golden files")

// now is the time of all messages.
var now = time.Date(2025, 10, 28, 14, 0, 0, 0, time.UTC)

const (
	from = "Holdfast <holdfast@example.com>"
	link = "https://backup.example.com/?sample"
)

func TestNewRefusesWhatCannotWork(t *testing.T) {
	server := &SMTPOptions{Host: "mail.example.com", Port: 587, TLS: "starttls", User: "a", Password: secret.New("hunter2hunter2")}
	amazon := &SESOptions{Region: "eu-west-3"}
	many := strings.Split(strings.Repeat("ops@example.com ", 51), " ")[:51]
	for name, opts := range map[string]Options{
		"nobody it comes from":    {To: []string{"ops@example.com"}, SMTP: server},
		"nobody it goes to":       {From: from, SMTP: server},
		"too many recipients":     {From: from, To: many, SMTP: server},
		"no address":              {From: from, To: []string{"ops"}, SMTP: server},
		"a header in an address":  {From: from, To: []string{"ops@example.com\r\nBcc: b@example.com"}, SMTP: server},
		"an address not in ASCII": {From: from, To: []string{"ops@bücher.example"}, SMTP: server},
		"a sender not in ASCII":   {From: "ü@example.com", To: []string{"ops@example.com"}, SMTP: server},
		"no way":                  {From: from, To: []string{"ops@example.com"}},
		"two ways":                {From: from, To: []string{"ops@example.com"}, SMTP: server, SES: amazon},
		"no region":               {From: from, To: []string{"ops@example.com"}, SES: &SESOptions{Config: aws.Config{}}},
		"an unknown tls":          {From: from, To: []string{"ops@example.com"}, SMTP: &SMTPOptions{Host: "mail.example.com", Port: 587, TLS: "maybe"}},
		"no tls":                  {From: from, To: []string{"ops@example.com"}, SMTP: &SMTPOptions{Host: "mail.example.com", Port: 587}},
		"no server":               {From: from, To: []string{"ops@example.com"}, SMTP: &SMTPOptions{Port: 587, TLS: "tls"}},
		"no port":                 {From: from, To: []string{"ops@example.com"}, SMTP: &SMTPOptions{Host: "mail.example.com", TLS: "tls"}},
	} {
		t.Run(name, func(t *testing.T) {
			if c, err := New(opts); err == nil {
				t.Errorf("got %v, want an error", c)
			} else if strings.ContainsAny(err.Error(), "\r\n") || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %q", err)
			}
		})
	}
	for _, opts := range []Options{
		{From: "holdfast@example.com", To: []string{"ops@example.com"}, SMTP: server},
		{From: from, To: []string{"Öps <ops@example.com>", "dev@example.com"}, SES: amazon},
	} {
		if _, err := New(opts); err != nil {
			t.Error(err)
		}
	}
}

// sent is a mail taken apart.
type sent struct {
	mail.Header
	text, html string
}

// decoded returns a header that may be encoded.
func (s sent) decoded(t testing.TB, name string) string {
	t.Helper()
	text, err := new(mime.WordDecoder).DecodeHeader(s.Get(name))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return text
}

// takeApart parses a mail, which must be as the package says that it is.
func takeApart(t testing.TB, raw string) sent {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(raw))
	if err != nil {
		t.Fatalf("%v in\n%s", err, raw)
	}
	for name, values := range m.Header {
		if len(values) > 1 && name != "Received" {
			t.Errorf("header %s is there %d times", name, len(values))
		}
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("Content-Type %q: %v", m.Header.Get("Content-Type"), err)
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	s := sent{Header: m.Header}
	for _, part := range []struct {
		kind string
		to   *string
	}{{"text/plain", &s.text}, {"text/html", &s.html}} {
		p, err := parts.NextRawPart()
		if err != nil {
			t.Fatalf("part %s: %v", part.kind, err)
		}
		kind, params, err := mime.ParseMediaType(p.Header.Get("Content-Type"))
		if err != nil || kind != part.kind || params["charset"] != "UTF-8" || p.Header.Get("Content-Transfer-Encoding") != "quoted-printable" {
			t.Fatalf("part %s: has the headers %v", part.kind, p.Header)
		}
		text, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatalf("part %s: %v", part.kind, err)
		}
		*part.to = strings.ReplaceAll(string(text), "\r\n", "\n")
	}
	if _, err := parts.NextRawPart(); err != io.EOF {
		t.Errorf("after the last part: got %v, want its end", err)
	}
	return s
}

// newChannel returns a channel that is not sent through.
func newChannel(t testing.TB) *channel {
	t.Helper()
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(Options{
		From: from, To: []string{"Ops <ops@example.com>", "dev@example.com"}, Location: paris,
		SMTP: &SMTPOptions{Host: "mail.example.com", Port: 587, TLS: "starttls"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c.(*channel)
}

// written returns the mail of m, after a look at its bytes.
func written(t testing.TB, c *channel, m holdfast.Message, refused ...refusal) string {
	t.Helper()
	raw, err := c.write(m, refused)
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.write(m, refused)
	if err != nil || !bytes.Equal(raw, again) {
		t.Errorf("%s: is not the same when written again (%v)", m.ID, err)
	}
	for line := range strings.SplitSeq(string(raw), "\r\n") {
		if line != "" && strings.TrimSpace(line) == "" || len(line) > 998 || strings.ContainsFunc(line, func(r rune) bool { return r > 0x7e || r < ' ' && r != '\t' }) {
			t.Errorf("%s: has the line %q", m.ID, line)
		}
	}
	return string(raw)
}
