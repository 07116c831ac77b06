package config

import (
	"maps"
	"slices"
	"time"

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
