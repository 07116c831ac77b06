package email

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/wneessen/go-mail/smtp"
)

// mechanism is a way to log in.
type mechanism struct {
	name string
	// reveals says that the server, or who listens, gets the password.
	reveals bool
	auth    func(user, password, host string) smtp.Auth
}

// mechanisms returns the ways that are known, the best first. CRAM-MD5 comes last:
// within TLS it adds nothing, and servers that can do it keep passwords readable.
func mechanisms() []mechanism {
	return []mechanism{
		{"SCRAM-SHA-256", false, func(user, password, _ string) smtp.Auth { return smtp.ScramSHA256Auth(user, password) }},
		{"SCRAM-SHA-1", false, func(user, password, _ string) smtp.Auth { return smtp.ScramSHA1Auth(user, password) }},
		{"PLAIN", true, func(user, password, host string) smtp.Auth { return smtp.PlainAuth("", user, password, host, false) }},
		{"LOGIN", true, func(user, password, host string) smtp.Auth { return smtp.LoginAuth(user, password, host, false) }},
		{"CRAM-MD5", false, func(user, password, _ string) smtp.Auth { return smtp.CRAMMD5Auth(user, password) }},
	}
}

// logIn logs the user in, by the best way that the server offers. Without TLS it
// reveals no password, not on loopback either: what listens there is not known.
func (s *smtpServer) logIn(client *smtp.Client) error {
	offers, text := client.Extension("AUTH")
	if !offers {
		return errors.New("the server lets nobody log in here")
	}
	offered := strings.Fields(strings.ToUpper(text))
	for _, m := range mechanisms() {
		if slices.Contains(offered, m.name) && !(m.reveals && s.opts.TLS == "none") {
			return client.Auth(m.auth(s.opts.User, s.opts.Password.Reveal(), s.opts.Host))
		}
	}
	if s.opts.TLS == "none" {
		return fmt.Errorf("every way that the server offers (%s) needs TLS", strings.Join(offered, ", "))
	}
	return fmt.Errorf("no way that the server offers (%s) is known", strings.Join(offered, ", "))
}

// minHidden is how long a piece of what was sent must be to be taken out, in
// bytes: shorter ones occur in too many words to leave any readable.
const minHidden = 4

// conceal returns text as one line without a user's password. A server may repeat
// what it did not understand, whole or cut off, so that any word that is a part of
// what was sent to log in goes.
func conceal(text, user string, password secret.Secret) string {
	value, encode := password.Reveal(), base64.StdEncoding.EncodeToString
	forms := []string{value, encode([]byte(value)), encode([]byte("\x00" + user + "\x00" + value))}
	words := strings.Fields(secret.Redact(text, value))
	for i, word := range words {
		word = strings.Trim(word, `"'<>()[]:;,.…`)
		same := func(form string) bool {
			return len(form) >= minHidden && (strings.Contains(form, word) || strings.Contains(word, form))
		}
		if value != "" && len(word) >= minHidden && slices.ContainsFunc(forms, same) {
			words[i] = secret.Hidden
		}
	}
	return strings.Join(words, " ")
}
