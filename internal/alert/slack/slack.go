// Package slack tells people in Slack, through an incoming webhook or as a bot.
//
// A webhook posts each message by itself. A bot answers in the thread of the
// message that it goes on from, and brings that message up to date: what is over is
// struck out there, so that the channel shows how things are and not how they were.
//
// Messages are Block Kit, within its limits; where Slack refuses the blocks all the
// same, the message is sent as text alone. What is of foreign origin is escaped, and
// neither mentions anybody nor becomes a link.
package slack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert/fault"
	"github.com/holdfast-backup/holdfast/internal/alert/plain"
	"github.com/holdfast-backup/holdfast/internal/secret"
)

// Options say where to tell people: Webhook, or Token and Channel.
type Options struct {
	Webhook secret.Secret // URL of an incoming webhook
	Token   secret.Secret // of a bot, with the scope chat:write
	Channel string        // id of where the bot writes
	// HTTP sends the requests; http.DefaultClient if nil.
	HTTP *http.Client
	// API is the base URL of Slack's Web API; Slack's own if "".
	API string
	// Location is the time zone of the times in messages; UTC if nil.
	Location *time.Location
	// Wait returns after d, or earlier with ctx's error; with a timer if nil.
	Wait func(ctx context.Context, d time.Duration) error
}

// Channel implements holdfast.Channel.
type Channel struct {
	o       Options
	secrets []string // what no error may hold
	post    func(ctx context.Context, p payload) (posted, error)
}

// posted is where a message has got to; zero where a service does not say.
type posted struct{ channel, ts string }

// defaultAPI is where Slack's Web API is.
const defaultAPI = "https://slack.com/api/"

// New returns the channel that o describes. Nothing is sent yet.
func New(o Options) (*Channel, error) {
	c := &Channel{o: o}
	if c.o.Wait == nil {
		c.o.Wait = wait
	}
	c.o.API = strings.TrimSuffix(cmp.Or(o.API, defaultAPI), "/") + "/"
	switch {
	case o.Webhook.IsZero() == o.Token.IsZero():
		return nil, errors.New("open slack: want a webhook, or a token and a channel")
	case o.Webhook.IsZero() && o.Channel == "":
		return nil, errors.New("open slack: the bot has no channel")
	case o.Webhook.IsZero():
		c.secrets, c.post = []string{o.Token.Reveal()}, c.postAsBot
		return c, nil
	}
	address := o.Webhook.Reveal()
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return nil, errors.New("open slack: the webhook is not a URL of the web")
	}
	c.secrets, c.post = fault.Parts(address), c.postToWebhook
	return c, nil
}

// Send implements holdfast.Channel.
func (c *Channel) Send(ctx context.Context, m holdfast.Message) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", c.fault(err)
	}
	p := newPayload(plain.Subject(m), m, c.o.Location)
	if !c.o.Webhook.IsZero() {
		_, err := c.deliver(ctx, p)
		return "", err
	}
	thread, ok := c.thread(m)
	if ok {
		p.thread, p.broadcast = thread.ts, m.Thread.Over() || worsened(m)
	}
	at, err := c.deliver(ctx, p)
	if err != nil && ok && gone(err) {
		// Somebody deleted what this would go on from.
		p.thread, p.broadcast, ok = "", false, false
		at, err = c.deliver(ctx, p)
	}
	if err != nil {
		return "", err
	}
	if !ok {
		return at.channel + ":" + at.ts, nil
	}
	c.update(ctx, thread, m)
	return m.Thread.Posted, nil
}

// postedPattern is what Send returns for a bot's message.
var postedPattern = regexp.MustCompile(`^([A-Z][A-Z0-9]{1,30}):([0-9]{1,20}\.[0-9]{1,12})$`)

// thread returns the message that m's thread began with, unless there is none in
// the channel of today.
func (c *Channel) thread(m holdfast.Message) (posted, bool) {
	if m.Thread == nil {
		return posted{}, false
	}
	parts := postedPattern.FindStringSubmatch(m.Thread.Posted)
	// What is posted to a person (U…) is posted to the conversation with them (D…).
	if parts == nil || parts[1] != c.o.Channel && !strings.HasPrefix(c.o.Channel, "U") {
		return posted{}, false
	}
	return posted{parts[1], parts[2]}, true
}

func worsened(m holdfast.Message) bool {
	for _, item := range m.Items {
		if item.Step == holdfast.Worsened {
			return true
		}
	}
	return false
}

func (c *Channel) fault(err error) error {
	return fmt.Errorf("tell slack: %w", fault.Of(err, c.secrets...))
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
