package config

import (
	"maps"
	"net"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/holdfast-backup/holdfast"
)

// maxRecipients is how many SES takes at once.
const maxRecipients = 50

// slackChannel is what ids of channels, private groups and people look like.
var slackChannel = regexp.MustCompile(`^[CGDU][A-Z0-9]{7,20}$`)

func (c *Holdfast) checkAlerts(d *document) {
	a := &c.Alerts
	if !a.Remind.Given {
		a.Remind = Remind{Given: true, Every: holdfast.Span{N: 24, Unit: holdfast.Hour}}
	}
	for _, name := range slices.Sorted(maps.Keys(a.Channels)) {
		at, channel := join("alerts", "channels", name), a.Channels[name]
		d.checkName(at, "channel", name)
		d.checkOneKind(at, "channel", channel)
		channel.check(d, at)
		if !channel.Remind.Given {
			channel.Remind = a.Remind
		}
		a.Channels[name] = channel // with its defaults
	}
	for _, check := range slices.Sorted(maps.Keys(a.Severity)) {
		at := join("alerts", "severity", check)
		if !slices.Contains(holdfast.Checks(), check) {
			d.errorf(at, "unknown check %s", unknown(check, holdfast.Checks()))
		}
		d.required(at, a.Severity[check])
		d.checkChoice(at, a.Severity[check], string(holdfast.Critical), string(holdfast.Warning), Off)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Jobs)) {
		for _, channel := range slices.Sorted(maps.Keys(c.Jobs[name].Alert.Channels)) {
			if _, ok := a.Channels[channel]; !ok {
				d.errorf(join("jobs", name, "alert"), "unknown channel %s", unknown(channel, slices.Sorted(maps.Keys(a.Channels))))
			}
		}
	}
}

// Off is the severity of a check that nobody is told of.
const Off = "off"

func (c *Channel) check(d *document, at string) {
	for i, event := range c.Events {
		d.checkEvent(index(join(at, "events"), i), event)
	}
	if d.given(join(at, "events")) && len(c.Events) == 0 {
		d.errorf(join(at, "events"), "is empty; leave the channel out")
	}
	d.checkChoice(join(at, "severity"), string(c.Severity), string(holdfast.Warning), string(holdfast.Critical))
	if _, err := location(c.TimeZone); err != nil {
		d.errorf(join(at, "time_zone"), "%v", err)
	}
	switch {
	case c.Slack != nil:
		c.Slack.check(d, join(at, "slack"))
	case c.Email != nil:
		c.Email.check(d, join(at, "email"))
	case c.Webhook != nil:
		d.required(join(at, "webhook", "url"), string(c.Webhook.URL))
	case c.Shoutrrr != nil:
		d.required(join(at, "shoutrrr", "url"), string(c.Shoutrrr.URL))
	}
}

func (d *document) checkEvent(path string, event holdfast.Event) {
	var all []string
	for _, e := range holdfast.Events() {
		all = append(all, string(e))
	}
	if !slices.Contains(all, string(event)) {
		d.errorf(path, "unknown event %s", unknown(string(event), all))
	}
}

func (s *Slack) check(d *document, at string) {
	switch {
	case s.Webhook != "" && s.Token != "":
		d.errorf(at, "is a webhook and a bot at once, want one of them")
	case s.Webhook == "" && s.Token == "" && !d.broken(at):
		d.errorf(at, "want a webhook, or a token and a channel")
	case s.Webhook != "" && s.Channel != "":
		d.errorf(join(at, "channel"), "is the webhook's own; leave it out, or use a bot's token")
	case s.Token != "" && d.required(join(at, "channel"), s.Channel) && !slackChannel.MatchString(s.Channel):
		d.errorf(join(at, "channel"), "%q: want the channel's id, such as C0123456789; Slack shows it below the channel's details", s.Channel)
	}
}

func (e *Email) check(d *document, at string) {
	address := func(path, text string) {
		a, err := mail.ParseAddress(text)
		switch {
		case err != nil || strings.ContainsAny(text, "\r\n") || !strings.Contains(a.Address, "@"):
			d.errorf(path, "%q: want an address, such as ops@example.com or Ops <ops@example.com>", text)
		case strings.ContainsFunc(a.Address, func(r rune) bool { return r > unicode.MaxASCII }):
			d.errorf(path, "%q: an address of other letters than ASCII is not understood by every mail server", text)
		}
	}
	if d.required(join(at, "from"), e.From) {
		address(join(at, "from"), e.From)
	}
	switch n := len(e.To); {
	case n == 0:
		d.errorf(join(at, "to"), "is missing or empty; want at least one address")
	case n > maxRecipients:
		d.errorf(join(at, "to"), "%d addresses, want at most %d; make a list on the mail server", n, maxRecipients)
	}
	for i, to := range e.To {
		address(index(join(at, "to"), i), to)
	}
	switch {
	case e.SMTP != nil && e.SES != nil:
		d.errorf(at, "is smtp and ses at once, want one of them")
	case e.SMTP == nil && e.SES == nil && !d.broken(at):
		d.errorf(at, "says not how mail is sent, want smtp or ses")
	case e.SMTP != nil:
		e.SMTP.check(d, join(at, "smtp"))
	}
}

func (s *SMTP) check(d *document, at string) {
	if d.required(join(at, "host"), s.Host) && (net.JoinHostPort(s.Host, "") != s.Host+":" || strings.ContainsAny(s.Host, "/ @")) {
		d.errorf(join(at, "host"), "%q: want the name of a mail server; the port stands in port", s.Host)
	}
	d.checkChoice(join(at, "tls"), s.TLS, "starttls", "tls", "none")
	if s.TLS == "" {
		s.TLS = "starttls"
	}
	switch {
	case s.TLS == "none" && !loopback(s.Host):
		d.errorf(join(at, "tls"), "none is accepted for loopback addresses only")
	case s.User == "" && s.Password != "":
		d.errorf(join(at, "user"), "is missing; password is the password of one")
	case s.User != "" && s.Password == "":
		d.errorf(join(at, "password"), "is missing; user needs one")
	}
	if d.given(join(at, "port")) && (s.Port < 1 || s.Port > 65535) {
		d.errorf(join(at, "port"), "%d: want 1 to 65535", s.Port)
	}
	if s.Port == 0 {
		s.Port = 587
		if s.TLS == "tls" {
			s.Port = 465
		}
	}
}
