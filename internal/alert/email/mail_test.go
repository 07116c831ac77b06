package email

import (
	"fmt"
	"maps"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert/plain"
	"github.com/holdfast-backup/holdfast/internal/alert/sample"
)

// told returns the samples as they would be told one after another.
func told(c *channel) []holdfast.Message {
	names := map[string]string{}
	all := sample.Messages(now)
	for i, m := range all {
		if m.Thread != nil {
			all[i].Thread.Posted = names[m.Thread.ID]
		}
		names[m.ID] = posted{subject: subject(all[i])}.String()
	}
	return all
}

// shortName returns the name of a sample.
func shortName(m holdfast.Message) string {
	name := strings.TrimPrefix(m.ID, "sample-")
	return name[:strings.LastIndex(name, "-")]
}

func TestMailsLookAsTheyShould(t *testing.T) {
	c := newChannel(t)
	var golden []string
	for _, m := range told(c) {
		s := takeApart(t, written(t, c, m))
		var headers strings.Builder
		for _, name := range slices.Sorted(maps.Keys(s.Header)) {
			fmt.Fprintf(&headers, "%s: %s\n", name, s.decoded(t, name))
		}
		for name, got := range map[string]string{
			shortName(m) + ".txt": headers.String() + "\n" + s.text, shortName(m) + ".html": s.html,
		} {
			golden = append(golden, name)
			compare(t, name, got)
		}
		if m.Kind == holdfast.KindChange && s.text != plain.Text(m, c.location) {
			t.Errorf("%s: the text is not that of plain.Text", m.ID)
		}
		if len(s.html) > 100_000 {
			t.Errorf("%s: %d bytes of HTML; Gmail shows 102 KB", m.ID, len(s.html))
		}
	}
	files, err := filepath.Glob("testdata/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !slices.Contains(golden, filepath.Base(file)) {
			t.Errorf("%s shows no sample", file)
		}
	}
}

func compare(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestALifeIsOneThread(t *testing.T) {
	c := newChannel(t)
	life := told(c)[:3]
	opening := takeApart(t, written(t, c, life[0]))
	if opening.Get("References") != "" || opening.Get("In-Reply-To") != "" || strings.HasPrefix(opening.Get("Subject"), "Re:") {
		t.Errorf("the opening is a reply: %v", opening.Header)
	}
	if got, want := opening.Get("Message-Id"), "<"+life[0].ID+"@example.com>"; got != want {
		t.Errorf("Message-ID: got %s, want %s", got, want)
	}
	ids := map[string]bool{opening.Get("Message-Id"): true}
	for _, m := range life[1:] {
		s := takeApart(t, written(t, c, m))
		for name, want := range map[string]string{
			"References": opening.Get("Message-Id"), "In-Reply-To": opening.Get("Message-Id"), "Subject": "Re: " + opening.Get("Subject"),
		} {
			if got := s.Get(name); got != want {
				t.Errorf("%s: %s: got %q, want %q", m.ID, name, got, want)
			}
		}
		if ids[s.Get("Message-Id")] {
			t.Errorf("%s: has the Message-ID of an earlier mail", m.ID)
		}
		ids[s.Get("Message-Id")] = true
		if date, err := s.Date(); err != nil || !date.Equal(m.At) {
			t.Errorf("%s: got the date %s, %v, want %s", m.ID, date, err, m.At)
		}
	}
}

func TestWhatIsUrgentSaysSo(t *testing.T) {
	c := newChannel(t)
	want := map[string]bool{"opening": true, "reminder": true, "worsening": true, "failed-dump": true, "unreachable": true, "many": true}
	for _, m := range told(c) {
		s := takeApart(t, written(t, c, m))
		if got := s.Get("Importance") == "high" && s.Get("X-Priority") == "1"; got != want[shortName(m)] {
			t.Errorf("%s: urgent is %t, want %t", m.ID, got, !got)
		}
	}
}

func TestAReplyWithoutAKnownSubjectHasItsOwn(t *testing.T) {
	c := newChannel(t)
	m := sample.Messages(now)[1]
	if got, want := takeApart(t, written(t, c, m)).Get("Subject"), "Re: "+plain.Subject(m); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestHostileTextsStayTexts(t *testing.T) {
	c := newChannel(t)
	for _, m := range sample.Hostile(now) {
		for _, before := range []string{"", "<id@a> \r\nBcc: everybody@example.com", "=?utf-8?q?=0D=0ABcc:_x?= ", "a" + strings.Repeat(" ", 70) + strings.Repeat("b", 72), "\xff\u202e" + strings.Repeat("ü", 200)} {
			if m.Thread != nil {
				m.Thread.Posted = before
			}
			s := takeApart(t, written(t, c, m))
			allowed := []string{
				"Auto-Submitted", "Content-Type", "Date", "From", "Importance", "In-Reply-To", "Message-Id",
				"Mime-Version", "References", "Subject", "To", "X-Auto-Response-Suppress", "X-Mailer", "X-Priority",
			}
			for name := range s.Header {
				if !slices.Contains(allowed, name) {
					t.Errorf("%s: has the header %s: %s", m.ID, name, s.Get(name))
				}
			}
			got := s.decoded(t, "Subject")
			if holdfast.Printable(got) != got || len(got) > maxSubject+len("Re: ") || !utf8.ValidString(got) {
				t.Errorf("%s: got the subject %q", m.ID, got)
			}
			to, err := mail.ParseAddressList(s.Get("To"))
			if err != nil || len(to) != 2 {
				t.Errorf("%s: goes to %v, %v", m.ID, to, err)
			}
			if strings.ContainsAny(strings.ReplaceAll(s.text, "\n", ""), "\r\x00\x1b\u202e\u2028") {
				t.Errorf("%s: the text has what is no text: %q", m.ID, s.text)
			}
		}
	}
}

func TestAnIDThatIsNoneIsNotWritten(t *testing.T) {
	c := newChannel(t)
	for _, id := range []string{"", "a b", "a>\r\nBcc: b@example.com", "ü", "a@b"} {
		m := sample.Messages(now)[0]
		m.ID = id
		if raw, err := c.write(m, nil); err == nil {
			t.Errorf("id %q: got %s", id, raw)
		}
		m = sample.Messages(now)[1]
		m.Thread.ID = id
		if raw, err := c.write(m, nil); err == nil {
			t.Errorf("id %q of a thread: got %s", id, raw)
		}
	}
}

func TestPostedIsRead(t *testing.T) {
	long := strings.Repeat("ü", maxSubject/2)
	for _, p := range []posted{
		{"", "[critical] web1/crm: too old"},
		{"<0102018f-1@eu-west-3.amazonses.com>", "[critical] web1/crm: too old"},
		{"<" + strings.Repeat("0", 60) + "@eu-west-3.amazonses.com>", long},
		{"", ""},
	} {
		text := p.String()
		if got := parsePosted(text); got != p || len(text) > maxPosted {
			t.Errorf("%+v: got %+v from %q", p, got, text)
		}
	}
	// An id that is too long is less worth than the subject.
	if got := (posted{"<" + strings.Repeat("0", 200) + "@a>", long}).String(); got != long {
		t.Errorf("got %q", got)
	}
}
