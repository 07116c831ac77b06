// Package email tells people by mail, through a mail server (SMTP) or Amazon SES.
// The mail is the same both ways: plain text, and HTML that loads nothing.
//
// # Threads
//
// What is told of one state is one thread. The mail that opens it has the
// Message-ID <ID@domain of From>, and so has what is sent again after a failure.
// Later ones name it in In-Reply-To and References, and have its subject with
// "Re: " before it: Gmail and Outlook put no two mails in one conversation whose
// subjects differ, so that what has become of the state is said in the first line
// instead, which lists of mails show too. The subject is handed from mail to mail
// through what Send returns.
//
// SES sends each mail under a Message-ID of its own (and sets Date to when it took
// the mail). So later mails name both: our id of the opening, which they all have
// in common, and that of SES, made of the id that it returned and its domain. The
// former AWS documents, the form of the latter it does not. Should that change,
// References still ties all but the first mail together, and the subject the first
// one in clients that go by it.
//
// # Who is told
//
// A mail that a server takes for some recipients and not for others is told: it
// says by itself, to those who get it, whom it did not reach and why. Sending it
// again would tell the same people the same thing in every run, for as long as one
// address is wrong; sending it to nobody would let that address silence all others.
// Of a sample it is an error, because somebody waits to see whether everything
// works. If nobody is reached it is an error always. What a server takes and cannot
// deliver later it sends back to From.
package email

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert/plain"
)

// Options say whom mail comes from, whom it goes to, and how: by exactly one of
// SMTP and SES.
type Options struct {
	From     string   // an address, with or without a name: "Holdfast <backup@example.com>"
	To       []string // the same, at least one
	SMTP     *SMTPOptions
	SES      *SESOptions
	Location *time.Location   // of the times in mails; nil is UTC
	Now      func() time.Time // nil is the real clock
}

// SESOptions are Amazon's mail service.
type SESOptions struct {
	Region string     // "" is that of Config
	Config aws.Config // as the SDK's config.LoadDefaultConfig returns it
}

// maxRecipients is the most that SES takes. It is said here, and of both, rather
// than by a refusal of the first alert.
const maxRecipients = 50

// channel is the holdfast.Channel.
type channel struct {
	from     *mail.Address
	to       []*mail.Address
	location *time.Location
	via      transport
}

// transport gives mails to a service.
type transport interface {
	// send gives the mail that write returns to the service, for as many of
	// the recipients as it accepts, and returns the others. write is called
	// once it is known who they are. id is the Message-ID that the service
	// gave the mail, with its angle brackets, where it keeps no other's.
	send(ctx context.Context, from string, to []string, write func([]refusal) ([]byte, error)) (id string, refused []refusal, err error)
}

// refusal is a recipient that a server does not take mail for.
type refusal struct {
	address string
	answer  string // one line
}

func (r refusal) String() string { return r.address + " (" + r.answer + ")" }

// New returns a channel. Nothing is connected to before Send.
func New(opts Options) (holdfast.Channel, error) {
	c := &channel{location: opts.Location}
	if c.location == nil {
		c.location = time.UTC
	}
	var err error
	if c.from, err = parse(opts.From); err != nil {
		return nil, err
	}
	if n := len(opts.To); n == 0 || n > maxRecipients {
		return nil, fmt.Errorf("mail: %d recipients, want 1 to %d", n, maxRecipients)
	}
	for _, text := range opts.To {
		to, err := parse(text)
		if err != nil {
			return nil, err
		}
		c.to = append(c.to, to)
	}
	switch {
	case (opts.SMTP == nil) == (opts.SES == nil):
		return nil, errors.New("mail: want a mail server or SES")
	case opts.SMTP != nil:
		c.via, err = newSMTP(*opts.SMTP)
	default:
		now := opts.Now
		if now == nil {
			now = time.Now
		}
		c.via, err = newSES(*opts.SES, now)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// parse reads an address. One that is not ASCII is refused: few servers take it,
// and a domain can always be written in ASCII.
func parse(text string) (*mail.Address, error) {
	address, err := mail.ParseAddress(text)
	if err != nil {
		return nil, fmt.Errorf("mail address %q: want one such as Ops <ops@example.com>", text)
	}
	if strings.ContainsFunc(address.Address, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return nil, fmt.Errorf("mail address %q: has other than ASCII characters; write its domain as xn--…", text)
	}
	return address, nil
}

// Send implements holdfast.Channel. What it returns is the subject, after the
// Message-ID where SES gave one.
func (c *channel) Send(ctx context.Context, m holdfast.Message) (string, error) {
	var to []string
	for _, address := range c.to {
		to = append(to, address.Address)
	}
	id, refused, err := c.via.send(ctx, c.from.Address, to, func(refused []refusal) ([]byte, error) {
		return c.write(m, refused)
	})
	switch {
	case err != nil:
		return "", err
	case m.Sample && len(refused) > 0:
		return "", fmt.Errorf("send mail: %d of %d recipients are refused: %s", len(refused), len(to), list(refused))
	}
	return posted{id: id, subject: subject(plain.WithoutLinks(m))}.String(), nil
}

// list names refusals in one line that is not too long.
func list(refused []refusal) string {
	const most = 5
	var texts []string
	for i, r := range refused {
		if i == most {
			texts = append(texts, fmt.Sprintf("and %d more", len(refused)-most))
			break
		}
		texts = append(texts, r.String())
	}
	return strings.Join(texts, ", ")
}
