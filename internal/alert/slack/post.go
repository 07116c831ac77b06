package slack

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/slack-go/slack"

	"github.com/holdfast-backup/holdfast/internal/alert/fault"
)

// postAsBot posts p in the channel, or in place of p.update.
func (c *Channel) postAsBot(ctx context.Context, p payload) (posted, error) {
	var answer fault.Answer
	api := slack.New(c.o.Token.Reveal(), slack.OptionHTTPClient(fault.Client(c.o.HTTP, &answer)), slack.OptionAPIURL(c.o.API))
	options := []slack.MsgOption{
		slack.MsgOptionText(p.text, false), slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl(),
	}
	if p.blocks != nil {
		options = append(options, slack.MsgOptionBlocks(p.blocks...))
	}
	channel := c.o.Channel
	switch {
	case p.update != posted{}:
		channel, options = p.update.channel, append(options, slack.MsgOptionUpdate(p.update.ts))
	case p.thread != "":
		options = append(options, slack.MsgOptionTS(p.thread))
		if p.broadcast {
			options = append(options, slack.MsgOptionBroadcast())
		}
	}
	at, ts, _, err := api.SendMessageContext(ctx, channel, options...)
	switch said, isAnswer := errors.AsType[slack.SlackErrorResponse](err); {
	case isAnswer:
		return posted{}, c.refusal(said.Err, answer)
	case err != nil && answer.Status != 0 && answer.Status != http.StatusOK:
		return posted{}, c.refusal("", answer)
	case err != nil:
		return posted{}, err
	case !postedPattern.MatchString(at + ":" + ts):
		// slack-go takes {} for a success.
		return posted{}, errors.New("it answers, but not that it has taken the message")
	}
	return posted{at, ts}, nil
}

// postToWebhook posts p through the webhook.
func (c *Channel) postToWebhook(ctx context.Context, p payload) (posted, error) {
	var answer fault.Answer
	no := false
	m := &slack.WebhookMessage{Text: p.text, UnfurlLinks: &no, UnfurlMedia: &no}
	if p.blocks != nil {
		m.Blocks = &slack.Blocks{BlockSet: p.blocks}
	}
	err := slack.PostWebhookCustomHTTPContext(ctx, c.o.Webhook.Reveal(), fault.Client(c.o.HTTP, &answer), m)
	body := string(bytes.TrimSpace(answer.Body))
	switch {
	case answer.Status != 0 && answer.Status != http.StatusOK:
		return posted{}, c.refusal(body, answer)
	case err != nil:
		return posted{}, err
	case body != "ok":
		return posted{}, errors.New("it answers, but not that it has taken the message")
	}
	return posted{}, nil
}

// refusal makes an error of what Slack answered. code is the word it uses.
func (c *Channel) refusal(code string, answer fault.Answer) *refusal {
	r := &refusal{status: answer.Status, code: fault.Line(code, c.secrets...)}
	r.busy = answer.Status == http.StatusTooManyRequests || code == "rate_limited" || code == "ratelimited"
	r.broken = answer.Status >= 500 || answer.Status == http.StatusOK && (code == "internal_error" || code == "fatal_error" || code == "service_unavailable")
	// Slack sends seconds, never a date.
	r.after, _ = fault.RetryAfter(answer.Header, time.Time{})
	return r
}
