package test

import (
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// mailbox is the mailbox of ops at a real mail server, as a mail program shows it.
type mailbox struct{ *testenv.SMTPServer }

// letter is a mail that was read.
type letter struct {
	to         []string
	subject    string
	id         string // Message-ID
	references string // References
	text, html string
}

// letters returns the mails in the order in which they came.
func (b *mailbox) letters(t *testing.T) []letter {
	t.Helper()
	delivered, err := b.Delivered()
	must(t, err)
	var all []letter
	for _, d := range delivered {
		m, err := mail.ReadMessage(strings.NewReader(d.Raw))
		must(t, err)
		subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
		must(t, err)
		l := letter{to: d.To, subject: subject, id: m.Header.Get("Message-ID"), references: m.Header.Get("References")}
		kind, fields, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
		must(t, err)
		if kind != "multipart/alternative" {
			t.Fatalf("mail: got %s, want multipart/alternative", kind)
		}
		parts := multipart.NewReader(m.Body, fields["boundary"])
		l.text, l.html = part(t, parts, "text/plain"), part(t, parts, "text/html")
		all = append(all, l)
	}
	return all
}

// part returns the next part, which must be of a kind.
func part(t *testing.T, parts *multipart.Reader, kind string) string {
	t.Helper()
	p, err := parts.NextRawPart()
	must(t, err)
	if got, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type")); got != kind || p.Header.Get("Content-Transfer-Encoding") != "quoted-printable" {
		t.Fatalf("part of a mail: got %v, want %s, quoted-printable", p.Header, kind)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(p))
	must(t, err)
	return string(body)
}

func (*mailbox) name() string { return "mail" }

// subjects returns what each mail says first; the subject of a reply is that of what
// it replies to, so there it is what the text says.
func (b *mailbox) subjects(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, l := range b.letters(t) {
		if len(l.to) != 1 || l.to[0] != "ops@example.com" {
			t.Fatalf("mail: delivered to %v", l.to)
		}
		if strings.HasPrefix(l.subject, "Re: ") {
			all = append(all, headline(l.text))
		} else {
			all = append(all, l.subject)
		}
	}
	return all
}

// headline makes a subject of the first paragraph of a text: "RESOLVED: web1/crm: …",
// or a count and a list.
func headline(text string) string {
	flat := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	first, _, _ := strings.Cut(text, "\n\n")
	items := strings.Split(first, "\n  - ")
	label, what, _ := strings.Cut(flat(items[0]), ": ")
	if len(items) == 1 {
		return "[" + strings.ToLower(label) + "] " + what
	}
	_, what, _ = strings.Cut(flat(items[1]), ": ")
	return fmt.Sprintf("[%s] %s; and %d more", strings.TrimSuffix(items[0], ":"), what, len(items)-2)
}
