package rehearsal

import (
	"errors"
	"mime"
	"net/mail"
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast"
	words "github.com/holdfast-backup/holdfast/internal/alert/plain"
)

// told proves that each channel was told one thing since it was last asked, web1/crm's,
// and returns the webhook's message. step "" says that nobody was told anything.
func (s *story) told(t *testing.T, step holdfast.Step, check string) holdfast.Message {
	t.Helper()
	slack, hook, faults := s.audience.take()
	mails := s.d.guard.takeSent()
	if len(faults) > 0 {
		t.Errorf("came and should not have: %q", faults)
	}
	want := 1
	if step == "" {
		want = 0
	}
	if len(slack) != want || len(hook) != want || len(mails) != want {
		t.Fatalf("told: %d times in Slack, %d by webhook, %d by mail, want %d each\n%+v\n%s", len(slack), len(hook), len(mails), want, hook, s.d.logs())
	}
	if step == "" {
		return holdfast.Message{}
	}
	m := hook[0]
	if len(m.Items) != 1 || m.Items[0].Step != step || m.Items[0].Finding.Check != check || m.Items[0].Finding.Subject() != "web1/crm" || m.Items[0].Last == nil {
		t.Fatalf("told %+v, want that %s of web1/crm was %s", m, check, step)
	}
	if slack[0].Text != words.Subject(m) {
		t.Errorf("Slack was told %q, want %q", slack[0].Text, words.Subject(m))
	}
	s.mailed(t, mails[0], m)
	return m
}

// mailed reads what SES took.
func (s *story) mailed(t *testing.T, got sent, m holdfast.Message) {
	t.Helper()
	parsed, err := mail.ReadMessage(strings.NewReader(got.raw))
	must(t, err)
	from, fromErr := mail.ParseAddress(got.from)
	to, toErr := mail.ParseAddressList(strings.Join(got.to, ", "))
	if err := errors.Join(fromErr, toErr); err != nil || from.Address != "backup@example.com" || len(to) != 1 || to[0].Address != "ops@example.org" {
		t.Errorf("a mail from %s to %s: %v", got.from, got.to, err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(parsed.Header.Get("Subject"))
	must(t, err)
	switch m.Items[0].Step {
	case holdfast.Opened:
		s.thread = subject
		if subject != words.Subject(m) {
			t.Errorf("subject: got %q, want %q", subject, words.Subject(m))
		}
	case holdfast.Resolved:
		if subject != "Re: "+s.thread || parsed.Header.Get("In-Reply-To") == "" {
			t.Errorf("the mail that it is over: subject %q, in reply to %q, want those of the thread %q", subject, parsed.Header.Get("In-Reply-To"), s.thread)
		}
	}
	if !strings.Contains(got.raw, "multipart/alternative") || !strings.Contains(got.raw, "text/html") {
		t.Errorf("the mail is not text and HTML:\n%s", got.raw)
	}
}
