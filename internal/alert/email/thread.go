package email

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert/plain"
)

// maxPosted is the most that Send may return, and maxSubject the longest subject,
// so that it finds room there beside a Message-ID; in bytes.
const (
	maxPosted  = 256
	maxSubject = 160
)

// subject returns the subject of m's thread, which is that of the mail that
// opened it, without "Re: ".
func subject(m holdfast.Message) string {
	s := ""
	if m.Thread != nil {
		s = parsePosted(m.Thread.Posted).subject
	}
	if s == "" {
		s = plain.Subject(m)
	}
	// The writer of headers breaks lines at spaces, and would leave lines of
	// nothing else where there are many; and what looks like an encoded word
	// would be decoded, into who knows what.
	s = strings.Join(strings.Fields(s), " ")
	s = strings.ReplaceAll(holdfast.Printable(s), "=?", "= ?")
	return cut(s, maxSubject)
}

// cut returns text with at most n bytes, and never cuts inside a character.
func cut(text string, n int) string {
	const mark = "…"
	if len(text) <= n {
		return text
	}
	n -= len(mark)
	for !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + mark
}

// posted is what Send returns.
type posted struct {
	id      string // Message-ID that SES gave, with its angle brackets; "" by SMTP
	subject string
}

// String returns what parsePosted reads.
func (p posted) String() string {
	if p.id == "" || len(p.id)+1+len(p.subject) > maxPosted {
		return p.subject
	}
	return p.id + " " + p.subject
}

// messageID is a Message-ID as SES makes it. No subject begins like one.
var messageID = regexp.MustCompile(`^<[A-Za-z0-9.-]+@[A-Za-z0-9.-]+>$`)

func parsePosted(text string) posted {
	if id, rest, ok := strings.Cut(text, " "); ok && messageID.MatchString(id) {
		return posted{id, rest}
	}
	return posted{subject: text}
}

// ownID returns the Message-ID of the message with an id.
func (c *channel) ownID(id string) string {
	return "<" + id + c.from.Address[strings.LastIndex(c.from.Address, "@"):] + ">"
}
