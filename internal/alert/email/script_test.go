package email

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert/sample"
	"github.com/holdfast-backup/holdfast/internal/secret"
)

const password = `hunter2 "and" more`

// script answers lines of a client; the first is "connect", before any, the last
// "." where the client has sent a mail. What it answers "" it never answers.
type script func(line string) string

// polite takes everything.
func polite(line string) string {
	word, _, _ := strings.Cut(line, " ")
	switch word {
	case "connect":
		return "220 here"
	case "EHLO":
		return "250-here\r\n250 AUTH PLAIN"
	case "AUTH":
		return "235 come in"
	case "DATA":
		return "354 go on"
	case "QUIT":
		return "221 bye"
	}
	return "250 fine"
}

// except answers lines that begin with a word otherwise.
func except(word, answer string) script {
	return func(line string) string {
		if line == word || strings.HasPrefix(line, word+" ") || strings.HasPrefix(line, word+":") {
			return answer
		}
		return polite(line)
	}
}

// scripted returns a channel through a server of TLS that follows a script.
func scripted(t testing.TB, answer script) holdfast.Channel {
	t.Helper()
	lent := httptest.NewTLSServer(nil) // for its certificate, of 127.0.0.1
	t.Cleanup(lent.Close)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: lent.TLS.Certificates})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
			go answer.follow(conn)
		}
	}()
	roots := x509.NewCertPool()
	roots.AddCert(lent.Certificate())
	return toLoopback(t, l, SMTPOptions{TLS: "tls", User: "holdfast", Password: secret.New(password), RootCAs: roots})
}

func toLoopback(t testing.TB, l net.Listener, server SMTPOptions) holdfast.Channel {
	t.Helper()
	server.Host, server.Port = "127.0.0.1", l.Addr().(*net.TCPAddr).Port
	c, err := New(Options{From: from, To: []string{"ops@example.com", "dev@example.com"}, SMTP: &server})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (answer script) follow(conn net.Conn) {
	say := func(line string) bool {
		text := answer(line)
		if text == "" {
			_, _ = io.Copy(io.Discard, conn) // until the other side has enough
			return false
		}
		_, err := io.WriteString(conn, text+"\r\n")
		return err == nil
	}
	mail := false
	for lines, going := bufio.NewScanner(conn), say("connect"); going && lines.Scan(); {
		line := strings.TrimSuffix(lines.Text(), "\r")
		if mail && line != "." {
			continue
		}
		mail = line == "DATA"
		going = say(line)
	}
}

func TestAServerThatHangsIsLeftWhenTheDeadlineComes(t *testing.T) {
	for _, word := range []string{"connect", "EHLO", "AUTH", "MAIL FROM", "RCPT TO", "DATA", "."} {
		t.Run(word, func(t *testing.T) {
			t.Parallel()
			ctx, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer stop()
			begun := time.Now()
			_, err := scripted(t, except(word, "")).Send(ctx, sample.Messages(now)[0])
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("got %v, want the deadline", err)
			}
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("took %s", took)
			}
			checkError(t, err, password)
		})
	}
}

func TestAServerThatHangsInTheHandshakeIsLeft(t *testing.T) {
	for _, kind := range []string{"tls", "starttls"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				script(func(line string) string {
					switch {
					case kind == "tls" || line == "STARTTLS":
						if kind == "starttls" {
							_, _ = io.WriteString(conn, "220 go on\r\n")
						}
						return ""
					case strings.HasPrefix(line, "EHLO"):
						return "250-here\r\n250 STARTTLS"
					}
					return polite(line)
				}).follow(conn)
			}()
			ctx, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer stop()
			_, err = toLoopback(t, l, SMTPOptions{TLS: kind}).Send(ctx, sample.Messages(now)[0])
			if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "start TLS: ") {
				t.Errorf("got %v, want the deadline in start TLS", err)
			}
		})
	}
}

func TestAServerThatHangsUpAfterTheMailHasTakenIt(t *testing.T) {
	for _, answer := range []string{"", "500 what", "\x00\x01"} {
		begun := time.Now()
		_, err := scripted(t, except("QUIT", answer)).Send(t.Context(), sample.Messages(now)[0])
		if took := time.Since(begun); err != nil || took > maxTime/2 {
			t.Errorf("%q: got %v after %s", answer, err, took)
		}
	}
}

func TestAServerThatAnswersWithoutEndIsLeft(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		for err == nil {
			_, err = io.WriteString(conn, strings.Repeat("220 ", 1000))
		}
	}()
	_, err = toLoopback(t, l, SMTPOptions{TLS: "none"}).Send(t.Context(), sample.Messages(now)[0])
	if err == nil || !strings.Contains(err.Error(), errAnswers.Error()) {
		t.Errorf("got %v", err)
	}
}

func TestAnErrorHasNoPasswordWhateverTheServerSays(t *testing.T) {
	plain := base64.StdEncoding.EncodeToString([]byte("\x00holdfast\x00" + password))
	for _, echo := range []string{password, plain, plain[:24], base64.StdEncoding.EncodeToString([]byte(password)), "<" + plain + ">", `"AUTH PLAIN ` + plain + `"`} {
		for _, word := range []string{"connect", "AUTH", "MAIL FROM", "RCPT TO", "DATA", "."} {
			answer := "554 do not say " + echo + " to me\x1b[31m"
			_, err := scripted(t, except(word, answer)).Send(t.Context(), sample.Messages(now)[0])
			if err == nil || !strings.Contains(err.Error(), "554 do not say") || !strings.Contains(err.Error(), secret.Hidden) {
				t.Errorf("%s, %q: got %v", word, echo, err)
				continue
			}
			checkError(t, err, password)
			if strings.Contains(err.Error(), plain[:24]) {
				t.Errorf("%s: got a piece of what was sent: %v", word, err)
			}
		}
	}
}

func TestAnswersOfSeveralLinesAreOne(t *testing.T) {
	_, err := scripted(t, except("MAIL FROM", "451-too\r\n451 busy")).Send(t.Context(), sample.Messages(now)[0])
	if err == nil || !strings.HasSuffix(err.Error(), "send from holdfast@example.com: for now: 451 too busy") {
		t.Errorf("got %v", err)
	}
	long := strings.Repeat("very ", 1000)
	_, err = scripted(t, except("MAIL FROM", "554 "+long)).Send(t.Context(), sample.Messages(now)[0])
	if err == nil || len(err.Error()) > 500 {
		t.Errorf("got %v", err)
	}
}

func TestAServerThatEndsTheConversationIsNoRefusalOfARecipient(t *testing.T) {
	asked := 0
	_, err := scripted(t, func(line string) string {
		if strings.HasPrefix(line, "RCPT") {
			if asked++; asked == 2 {
				return "421 shutting down"
			}
		}
		return polite(line)
	}).Send(t.Context(), sample.Messages(now)[0])
	if err == nil || !strings.Contains(err.Error(), "send to dev@example.com: for now: 421 shutting down") {
		t.Errorf("got %v", err)
	}
}

func TestTheBestWayToLogInIsTaken(t *testing.T) {
	for offered, want := range map[string]string{
		"PLAIN LOGIN CRAM-MD5":                  "AUTH PLAIN",
		"LOGIN CRAM-MD5":                        "AUTH LOGIN",
		"CRAM-MD5":                              "AUTH CRAM-MD5",
		"LOGIN SCRAM-SHA-1 PLAIN":               "AUTH SCRAM-SHA-1",
		"login plain scram-sha-1 SCRAM-SHA-256": "AUTH SCRAM-SHA-256",
	} {
		said := make(chan string, 1)
		_, err := scripted(t, func(line string) string {
			switch {
			case strings.HasPrefix(line, "EHLO"):
				return "250-here\r\n250 AUTH " + offered
			case strings.HasPrefix(line, "AUTH"):
				said <- line
				return "535 no"
			}
			return polite(line)
		}).Send(t.Context(), sample.Messages(now)[0])
		if err == nil {
			t.Fatalf("%s: is sent", offered)
		}
		if got := <-said; got != want && !strings.HasPrefix(got, want+" ") {
			t.Errorf("%s: got %s, want %s", offered, got, want)
		}
	}
	_, err := scripted(t, except("EHLO", "250-here\r\n250 AUTH GSSAPI NTLM")).Send(t.Context(), sample.Messages(now)[0])
	if want := "no way that the server offers (GSSAPI, NTLM) is known"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

func TestAPasswordIsConcealed(t *testing.T) {
	for _, test := range []struct{ password, text, want string }{
		{"a b c d", "what is a b c d?", "what is [hidden]?"},
		{"secret", "535 what?", "535 what?"},
		{"", "535 what?", "535 what?"},
		{"abc", "the abc of it", "the abc of it"}, // too short to leave words readable
		{"hunter2hunter2", "you said hunter2h… to me\nand more", "you said [hidden] to me and more"},
		{"hunter2hunter2", "you said xxhunter2hunter2xx", "you said xx[hidden]xx"},
	} {
		if got := conceal(test.text, "holdfast", secret.New(test.password)); got != test.want {
			t.Errorf("%q, %q: got %q, want %q", test.password, test.text, got, test.want)
		}
	}
}
