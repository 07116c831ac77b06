package email

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/mail"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert/plain"
	"github.com/holdfast-backup/holdfast/internal/alert/sample"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// through returns a channel to ops and dev through a server, by STARTTLS unless
// change has it otherwise.
func through(t testing.TB, s *testenv.SMTPServer, change func(*Options)) holdfast.Channel {
	t.Helper()
	opts := Options{From: from, To: []string{"Ops <ops@example.com>", "dev@example.com"}, SMTP: &SMTPOptions{
		Host: s.Host, Port: s.STARTTLS, TLS: "starttls", User: s.User, Password: secret.New(s.Password), RootCAs: s.CA,
	}}
	if change != nil {
		change(&opts)
	}
	c, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// inbox returns what a server has delivered.
func inbox(t testing.TB, s *testenv.SMTPServer) []testenv.Delivery {
	t.Helper()
	all, err := s.Delivered()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestALifeIsDeliveredAsOneThread(t *testing.T) {
	s := testenv.SMTP(t)
	c := through(t, s, nil)
	life := sample.Messages(now)[:3]
	posted := ""
	for i, m := range life {
		if i > 0 {
			m.Thread.Posted = posted
		}
		name, err := c.Send(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			posted = name
		}
	}
	delivered := inbox(t, s)
	if len(delivered) != len(life) {
		t.Fatalf("got %d mails, want %d", len(delivered), len(life))
	}
	opening := "<" + life[0].ID + "@example.com>"
	for i, d := range delivered {
		if want := []string{"ops@example.com", "dev@example.com"}; !slices.Equal(d.To, want) {
			t.Errorf("mail %d: was delivered to %s, want %s", i, d.To, want)
		}
		got, m := takeApart(t, d.Raw), life[i]
		want := map[string]string{
			"From": `"Holdfast" <holdfast@example.com>`, "To": `"Ops" <ops@example.com>, <dev@example.com>`,
			"Message-Id": "<" + m.ID + "@example.com>", "Subject": plain.Subject(life[0]), "References": "", "In-Reply-To": "",
			"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All", "Precedence": "",
		}
		if i > 0 {
			want["Subject"], want["References"], want["In-Reply-To"] = "Re: "+want["Subject"], opening, opening
		}
		for name, value := range want {
			if got.Get(name) != value {
				t.Errorf("mail %d: %s: got %q, want %q", i, name, got.Get(name), value)
			}
		}
		if got.text != plain.Text(m, nil) {
			t.Errorf("mail %d: got the text %s", i, got.text)
		}
		if p := readPage(t, got.html); !strings.Contains(p.text, plain.Headline(m.Items[0])) {
			t.Errorf("mail %d: got the HTML %s", i, got.html)
		}
	}
}

func TestUTF8IsDelivered(t *testing.T) {
	s := testenv.SMTP(t)
	m := sample.Messages(now)[0]
	m.Items[0].Finding.Summary = "die Sicherung von „Bücher & Söhne“ ist alt 💾"
	c := through(t, s, func(o *Options) {
		o.From, o.To = "Sicherung für Bücher <holdfast@example.com>", []string{`"Müller, Öps" <ops@example.com>`}
	})
	if _, err := c.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	got := takeApart(t, inbox(t, s)[0].Raw)
	if subject := got.decoded(t, "Subject"); subject != plain.Subject(m) {
		t.Errorf("got the subject %q, want %q", subject, plain.Subject(m))
	}
	for name, want := range map[string]string{"From": "Sicherung für Bücher", "To": "Müller, Öps"} {
		if a, err := mail.ParseAddress(got.Get(name)); err != nil || a.Name != want {
			t.Errorf("%s: got %v, %v, want the name %q", name, a, err, want)
		}
	}
	if !strings.Contains(got.text, m.Items[0].Finding.Summary) || !strings.Contains(readPage(t, got.html).text, m.Items[0].Finding.Summary) {
		t.Errorf("got the text %s", got.text)
	}
}

// port changes the port and the kind of TLS.
func port(port int, kind string) func(*Options) {
	return func(o *Options) { o.SMTP.Port, o.SMTP.TLS = port, kind }
}

func TestEveryKindOfTLSDelivers(t *testing.T) {
	s := testenv.SMTP(t)
	for i, change := range []func(*Options){
		port(s.STARTTLS, "starttls"), port(s.TLS, "tls"),
		func(o *Options) {
			o.SMTP.Port, o.SMTP.TLS, o.SMTP.User, o.SMTP.Password = s.Open, "none", "", secret.Secret{}
		},
	} {
		if _, err := through(t, s, change).Send(t.Context(), sample.Messages(now)[0]); err != nil {
			t.Error(err)
		}
		all := inbox(t, s)
		if len(all) != i+1 {
			t.Fatalf("got %d mails, want %d", len(all), i+1)
		}
		// esmtp, with s for TLS and a for a user who has logged in
		if want := []string{"with esmtpsa ", "with esmtpsa ", "with esmtp "}[i]; !strings.Contains(all[i].Raw, want) {
			t.Errorf("got no %q in\n%s", want, all[i].Raw[:400])
		}
	}
}

func TestWhatCannotBeSentIsAnErrorThatSaysWhy(t *testing.T) {
	s := testenv.SMTP(t)
	other := testenv.SMTP(t)
	for name, test := range map[string]struct {
		change func(*Options)
		want   []string
	}{
		"a wrong password": {func(o *Options) { o.SMTP.Password = secret.New("a-wrong-password") },
			[]string{`log in as "holdfast": 535 Incorrect authentication data`}},
		"an unknown certificate": {func(o *Options) { o.SMTP.RootCAs = other.CA },
			[]string{"start TLS: ", "certificate signed by unknown authority"}},
		"an unknown certificate, from the beginning": {func(o *Options) { o.SMTP.RootCAs = x509.NewCertPool(); port(s.TLS, "tls")(o) },
			[]string{"start TLS: ", "certificate signed by unknown authority"}},
		"a certificate of another host": {func(o *Options) { o.SMTP.Host = "127.0.0.1" },
			[]string{"start TLS: ", "certificate"}},
		"a certificate of another host, from the beginning": {func(o *Options) { o.SMTP.Host = "127.0.0.1"; port(s.TLS, "tls")(o) },
			[]string{"start TLS: ", "certificate"}},
		"a server without STARTTLS":                {port(s.Open, "starttls"), []string{"start TLS: the server does not offer it"}},
		"a server that would take a password bare": {port(s.Bare, "starttls"), []string{"start TLS: the server does not offer it"}},
		"TLS from the beginning where it comes later": {port(s.STARTTLS, "tls"),
			[]string{"start TLS: ", "first record does not look like a TLS handshake"}},
		"a password without TLS": {port(s.Bare, "none"),
			[]string{`log in as "holdfast": every way that the server offers (PLAIN, LOGIN) needs TLS`}},
		"a server where nobody logs in": {port(s.Open, "none"), []string{"the server lets nobody log in here"}},
		"nobody logged in": {func(o *Options) { o.SMTP.User, o.SMTP.Password = "", secret.Secret{} },
			[]string{"no recipient is accepted: ops@example.com (550 log in first), dev@example.com (550 log in first)"}},
		"unknown recipients": {func(o *Options) { o.To = []string{"nobody@example.com"} },
			[]string{"no recipient is accepted: nobody@example.com (550 no such user here)"}},
		"unknown recipients, and one for now": {func(o *Options) { o.To = []string{"nobody@example.com", "busy@example.com"} },
			[]string{"nobody@example.com (550 no such user here), busy@example.com (for now: 451 that mailbox is busy)"}},
		"no server":      {port(1, "starttls"), []string{"send mail through localhost:1: connect: ", "connection refused"}},
		"no such server": {func(o *Options) { o.SMTP.Host = "mail.invalid" }, []string{"send mail through mail.invalid:", "connect: "}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := through(t, s, test.change).Send(t.Context(), sample.Messages(now)[0])
			if err == nil {
				t.Fatal("is sent")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want %q in it", err, want)
				}
			}
			checkError(t, err, s.Password, "a-wrong-password")
		})
	}
	if n := len(inbox(t, s)); n != 0 {
		t.Errorf("%d mails were delivered", n)
	}
}

// checkError looks for what no error may have.
func checkError(t testing.TB, err error, secrets ...string) {
	t.Helper()
	if text := err.Error(); holdfast.Printable(text) != text {
		t.Errorf("the error is not a printable line: %q", text)
	}
	for _, value := range secrets {
		for _, form := range []string{value, base64.StdEncoding.EncodeToString([]byte(value)), base64.StdEncoding.EncodeToString([]byte("\x00holdfast\x00" + value))} {
			if strings.Contains(err.Error(), form) {
				t.Errorf("the error has the secret: %s", err)
			}
		}
	}
}

func TestARefusedRecipientIsNamedToTheOthers(t *testing.T) {
	s := testenv.SMTP(t)
	c := through(t, s, func(o *Options) {
		o.To = []string{"nobody@example.com", "ops@example.com", "busy@example.com", "boss@example.com"}
	})
	m := sample.Messages(now)[0]
	m.Sample = false
	if _, err := c.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	all := inbox(t, s)
	if len(all) != 1 || !slices.Equal(all[0].To, []string{"ops@example.com", "boss@example.com"}) {
		t.Fatalf("got %v", all)
	}
	got := takeApart(t, all[0].Raw)
	for _, text := range []string{got.text, readPage(t, got.html).text} {
		for _, want := range []string{refusedNote, "nobody@example.com (550 no such user here)", "busy@example.com (for now: 451 that mailbox is busy)"} {
			if !strings.Contains(text, want) {
				t.Errorf("got no %q in %s", want, text)
			}
		}
	}
	// Who tries the channel out has to know.
	m.Sample = true
	_, err := c.Send(t.Context(), m)
	if err == nil || !strings.Contains(err.Error(), "2 of 4 recipients are refused: nobody@example.com (550 no such user here), busy@example.com") {
		t.Errorf("a sample: got %v", err)
	}
}

// cutter passes connections on to a server, until the client says a word.
func cutter(t testing.TB, to int, word string, cut func()) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", to))
			if err != nil {
				_ = client.Close()
				continue
			}
			go func() {
				_, _ = io.Copy(client, server)
				_ = client.Close()
			}()
			go func() {
				said, buffer := "", make([]byte, 4096)
				for {
					n, err := client.Read(buffer)
					said += string(buffer[:n])
					if strings.Contains(said, word) {
						cut()
					}
					if _, failed := server.Write(buffer[:n]); err != nil || failed != nil {
						_ = server.Close()
						return
					}
				}
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

func TestAServerThatIsKilledInBetweenIsAnError(t *testing.T) {
	for _, word := range []string{"EHLO ", "MAIL FROM:", "RCPT TO:", "DATA\r\n", "\r\n.\r\n"} {
		t.Run(strings.TrimSpace(word), func(t *testing.T) {
			s := testenv.SMTP(t)
			at := cutter(t, s.Open, word, s.Kill)
			c := through(t, s, func(o *Options) {
				o.SMTP.Port, o.SMTP.TLS, o.SMTP.User, o.SMTP.Password = at, "none", "", secret.Secret{}
			})
			_, err := c.Send(t.Context(), sample.Messages(now)[0])
			if err == nil {
				t.Fatal("is sent")
			}
			checkError(t, err, s.Password)
			if errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want the end of the connection", err)
			}
		})
	}
}
