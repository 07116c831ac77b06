package config

import (
	"maps"
	"net"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/goccy/go-yaml/ast"
	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/secret"
)

// Alerts says who is told what.
type Alerts struct {
	// Where people are told, by name.
	Channels map[string]Channel `yaml:"channels"`
	// How often people are reminded of what is still wrong; 0 for never. Default 24h.
	Remind Remind `yaml:"remind"`
	// How bad a check is, by its name: critical, warning, or off, which tells nobody and shows it all the
	// same. Default: as docs/monitoring.md has it.
	Severity map[string]string `yaml:"severity"`
	// Pinged by each round of the monitor. It succeeds where every vault was judged and people were told
	// what they had to be; what is wrong with a job is told by the channels.
	Heartbeat Heartbeat `yaml:"heartbeat"`
}

// Channel is a way of telling people: exactly one of the kinds.
type Channel struct {
	// Slack: an incoming webhook, or a bot.
	Slack *Slack `yaml:"slack"`
	// Mail, by SMTP or Amazon SES.
	Email *Email `yaml:"email"`
	// JSON, sent to a program of yours.
	Webhook *Webhook `yaml:"webhook"`
	// Anything else that shoutrrr knows: ntfy, Telegram, Discord, Matrix, Pushover, Gotify, …
	Shoutrrr *Shoutrrr `yaml:"shoutrrr"`
	// What it tells: backup-failed, cleanup-failed, unhealthy, backup-succeeded, cleanup-succeeded,
	// healthy. Default: the first three. Who is told that something is wrong is also told that it is over.
	Events []holdfast.Event `yaml:"events"`
	// The least that it tells: warning, or critical. Default warning.
	Severity holdfast.Severity `yaml:"severity"`
	// How often it reminds; 0 for never. Default: as for all channels.
	Remind Remind `yaml:"remind"`
	// When it sends a digest of everything each week, such as "monday 08:00". Default: never.
	Digest Weekly `yaml:"digest"`
	// Time zone of the digest and of the times in messages, such as Europe/Paris. Default UTC.
	TimeZone string `yaml:"time_zone"`
}

// Slack is a webhook, or a bot with a token and a channel.
type Slack struct {
	// URL of an incoming webhook, by reference.
	Webhook secret.Ref `yaml:"webhook"`
	// Token of a bot (xoxb-…) with the scope chat:write, by reference. It edits what it said when that is
	// over, and reminds in its thread.
	Token secret.Ref `yaml:"token"`
	// Where the bot writes: a channel's id, such as C0123456789.
	Channel string `yaml:"channel"`
}

// Email is mail.
type Email struct {
	// Whom it comes from, such as Holdfast <backup@example.com>.
	From string `yaml:"from"`
	// Whom it goes to.
	To []string `yaml:"to"`
	// A mail server.
	SMTP *SMTP `yaml:"smtp"`
	// Amazon SES, in the account of the function or of AWS's own settings on this machine.
	SES *SES `yaml:"ses"`
}

// SMTP is a mail server that takes mail in.
type SMTP struct {
	// Its name.
	Host string `yaml:"host"`
	// Its port. Default 587, with tls: tls 465.
	Port int `yaml:"port"`
	// starttls, tls (from the beginning) or none, which is accepted for loopback addresses only.
	// Default starttls; it is never gone without.
	TLS string `yaml:"tls"`
	// User that logs in. Default: nobody does.
	User string `yaml:"user"`
	// The user's password, by reference.
	Password secret.Ref `yaml:"password"`
}

// SES is Amazon's mail service.
type SES struct {
	// Its region, such as eu-west-3. Default: AWS_REGION.
	Region string `yaml:"region"`
}

// Webhook is a program of yours that takes JSON by HTTP.
type Webhook struct {
	// Its URL, by reference.
	URL secret.Ref `yaml:"url"`
	// What the body is signed with (HMAC-SHA256, in the header Holdfast-Signature), by reference.
	// Default: it is not signed.
	Secret secret.Ref `yaml:"secret"`
}

// Shoutrrr is a service that shoutrrr can reach.
type Shoutrrr struct {
	// Its URL as shoutrrr has it, such as ntfy://ntfy.sh/topic, by reference.
	URL secret.Ref `yaml:"url"`
}

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

// Remind is how often people are reminded; an Every of 0 is never.
type Remind struct {
	Given bool
	Every holdfast.Span
}

func (r *Remind) decodeNode(d *document, n ast.Node, path string) {
	r.Given = true
	decodeInto(d, &r.Every, n, path)
}

// JobAlert says which channels tell of a job, and what of it. In YAML it is a
// channel or a list of them, which tell what they tell of all jobs, or a map of
// channels to events.
type JobAlert struct {
	// Given says that the job has said it: without, all channels tell of it.
	Given bool
	// Channels are the events by channel; nil for those of the channel itself.
	Channels map[string][]holdfast.Event
}

func (a *JobAlert) decodeNode(d *document, n ast.Node, path string) {
	a.Given, a.Channels = true, map[string][]holdfast.Event{}
	if name, ok := scalar(n); ok {
		a.Channels[name] = nil
		return
	}
	if _, ok := n.(*ast.SequenceNode); ok {
		var names []string
		decodeInto(d, &names, n, path)
		for _, name := range names {
			a.Channels[name] = nil
		}
		return
	}
	decodeInto(d, &a.Channels, n, path)
	for _, name := range slices.Sorted(maps.Keys(a.Channels)) {
		for i, event := range a.Channels[name] {
			d.checkEvent(index(join(path, name), i), event)
		}
	}
}

// Zone returns the time zone of that name, which the check of the file has found
// to be one; UTC for none.
func Zone(name string) *time.Location {
	zone, err := location(name)
	if err != nil {
		return time.UTC
	}
	return zone
}
