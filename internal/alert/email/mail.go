package email

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert/plain"
	gomail "github.com/wneessen/go-mail"
)

// boundary stands between the parts. Quoted-printable text, which all parts are,
// cannot contain it: there "=" is followed by hexadecimal digits.
const boundary = "=_holdfast"

// messageKey is what Message.ID may consist of.
var messageKey = regexp.MustCompile(`^[a-z0-9-]+$`)

// write returns the mail that tells m, and whom it could not be sent to.
func (c *channel) write(m holdfast.Message, refused []refusal) ([]byte, error) {
	if !messageKey.MatchString(m.ID) || m.Thread != nil && !messageKey.MatchString(m.Thread.ID) {
		return nil, fmt.Errorf("write mail %q: malformed id", m.ID)
	}
	m, refused = plain.WithoutLinks(m), withoutLinks(refused)
	text := plain.Text(m, c.location)
	if len(refused) > 0 {
		text += "\n" + refusedNote + "\n"
		for _, r := range refused {
			text += "  - " + r.String() + "\n"
		}
	}
	html, err := render(m, c.location, refused)
	if err != nil {
		return nil, fmt.Errorf("write mail %q: %w", m.ID, err)
	}
	mail := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithBoundary(boundary))
	mail.FromMailAddress(c.from)
	mail.ToMailAddress(c.to...)
	c.setHeaders(mail, m)
	mail.SetBodyString(gomail.TypeTextPlain, text)
	mail.AddAlternativeString(gomail.TypeTextHTML, html)
	var b bytes.Buffer
	if _, err := mail.WriteTo(&b); err != nil {
		return nil, fmt.Errorf("write mail %q: %w", m.ID, err)
	}
	return b.Bytes(), nil
}

// refusedNote stands over the recipients that a server does not take.
const refusedNote = "This mail could not be sent to:"

// withoutLinks returns refusals with what servers said Unlinked.
func withoutLinks(refused []refusal) []refusal {
	refused = slices.Clone(refused)
	for i := range refused {
		refused[i].answer = plain.Unlinked(refused[i].answer)
	}
	return refused
}

// setHeaders sets what there is beside From and To.
//
// There is no Precedence: "bulk", which also asks others not to answer, makes
// servers deliver later and filters suspicious, and Auto-Submitted (RFC 3834) and
// Exchange's X-Auto-Response-Suppress ask the same.
func (c *channel) setHeaders(mail *gomail.Msg, m holdfast.Message) {
	mail.SetMessageIDWithValue(unbracketed(c.ownID(m.ID)))
	mail.SetDateWithValue(m.At.UTC())
	if m.Thread == nil {
		mail.Subject(subject(m))
	} else {
		mail.Subject("Re: " + subject(m))
		opening := c.ownID(m.Thread.ID)
		references := opening
		if given := parsePosted(m.Thread.Posted).id; given != "" {
			references, opening = references+" "+given, given
		}
		mail.SetGenHeader(gomail.HeaderInReplyTo, opening)
		mail.SetGenHeader(gomail.HeaderReferences, references)
	}
	mail.SetGenHeader("Auto-Submitted", "auto-generated")
	mail.SetGenHeader(gomail.HeaderXAutoResponseSuppress, "All")
	mail.SetGenHeader(gomail.HeaderXMailer, "Holdfast")
	if urgent(m) {
		mail.SetGenHeader(gomail.HeaderImportance, "high")
		mail.SetGenHeader(gomail.HeaderXPriority, "1")
	}
	// As go-mail would write it, with the quotation marks that this boundary needs.
	mail.SetGenHeader(gomail.HeaderContentType, `multipart/alternative; boundary="`+boundary+`"`)
}

func unbracketed(id string) string { return id[1 : len(id)-1] }

// urgent reports whether m tells of something critical that goes on.
func urgent(m holdfast.Message) bool {
	return len(m.Items) > 0 && plain.Worst(m.Items) == plain.Bad
}
