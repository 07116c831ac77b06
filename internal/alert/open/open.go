// Package open makes a configuration's channels. It is the one place that imports
// them all.
package open

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert/email"
	"github.com/holdfast-backup/holdfast/internal/alert/shoutrrr"
	"github.com/holdfast-backup/holdfast/internal/alert/slack"
	"github.com/holdfast-backup/holdfast/internal/alert/webhook"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/secret"
)

// Options are what channels need beside their configuration.
type Options struct {
	// Secrets fetches what the configuration refers to.
	Secrets secret.Resolver
	// HTTP sends what Slack and webhooks get; http.DefaultClient if nil.
	HTTP *http.Client
	Now  func() time.Time // time.Now if nil
	// AWS returns the account that sends through SES; that of AWS's own
	// settings (environment, files, role) if nil.
	AWS func(ctx context.Context) (aws.Config, error)
	// UserAgent is what webhooks are told of the program.
	UserAgent string
	// slackAPI is where Slack's Web API is, in tests.
	slackAPI string
}

// Open returns the channels, and what is wrong with those that can't be made, by
// name. One that can't is there all the same, so that the others tell of it: its
// Send tries to make it again, and returns why it can't. Nothing is sent yet.
func Open(ctx context.Context, channels map[string]config.Channel, o Options) (all map[string]holdfast.Channel, problems map[string]error) {
	all, problems = map[string]holdfast.Channel{}, map[string]error{}
	for name, c := range channels {
		opened, err := o.open(ctx, c)
		if err != nil {
			problems[name] = err
			opened = &broken{open: func(ctx context.Context) (holdfast.Channel, error) { return o.open(ctx, c) }}
		}
		all[name] = opened
	}
	return all, problems
}

func (o Options) open(ctx context.Context, c config.Channel) (holdfast.Channel, error) {
	loc, err := time.LoadLocation(c.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("time zone %q: %w", c.TimeZone, err)
	}
	switch {
	case c.Slack != nil:
		return o.slack(ctx, *c.Slack, loc)
	case c.Email != nil:
		return o.email(ctx, *c.Email, loc)
	case c.Webhook != nil:
		return o.webhook(ctx, *c.Webhook)
	case c.Shoutrrr != nil:
		return o.shoutrrr(ctx, *c.Shoutrrr, loc)
	}
	return nil, errors.New("want slack, email, webhook or shoutrrr")
}

// secret fetches what ref refers to, nothing if it is empty.
func (o Options) secret(ctx context.Context, ref secret.Ref) (secret.Secret, error) {
	if ref == "" {
		return secret.Secret{}, nil
	}
	return o.Secrets(ctx, ref)
}

func (o Options) slack(ctx context.Context, c config.Slack, loc *time.Location) (holdfast.Channel, error) {
	hook, err := o.secret(ctx, c.Webhook)
	if err != nil {
		return nil, err
	}
	token, err := o.secret(ctx, c.Token)
	if err != nil {
		return nil, err
	}
	return made(slack.New(slack.Options{Webhook: hook, Token: token, Channel: c.Channel, HTTP: o.HTTP, API: o.slackAPI, Location: loc}))
}

func (o Options) webhook(ctx context.Context, c config.Webhook) (holdfast.Channel, error) {
	address, err := o.secret(ctx, c.URL)
	if err != nil {
		return nil, err
	}
	key, err := o.secret(ctx, c.Secret)
	if err != nil {
		return nil, err
	}
	return made(webhook.New(webhook.Options{URL: address, Secret: key, HTTP: o.HTTP, UserAgent: o.UserAgent, Now: o.Now}))
}

func (o Options) shoutrrr(ctx context.Context, c config.Shoutrrr, loc *time.Location) (holdfast.Channel, error) {
	address, err := o.secret(ctx, c.URL)
	if err != nil {
		return nil, err
	}
	return made(shoutrrr.New(shoutrrr.Options{URL: address, Location: loc}))
}

func (o Options) email(ctx context.Context, c config.Email, loc *time.Location) (holdfast.Channel, error) {
	opts := email.Options{From: c.From, To: c.To, Location: loc}
	if c.SMTP != nil {
		password, err := o.secret(ctx, c.SMTP.Password)
		if err != nil {
			return nil, err
		}
		opts.SMTP = &email.SMTPOptions{Host: c.SMTP.Host, Port: c.SMTP.Port, TLS: c.SMTP.TLS, User: c.SMTP.User, Password: password}
	}
	if c.SES != nil {
		load := o.AWS
		if load == nil {
			load = func(ctx context.Context) (aws.Config, error) { return awsconfig.LoadDefaultConfig(ctx) }
		}
		account, err := load(ctx)
		if err != nil {
			return nil, fmt.Errorf("find AWS: %w", err)
		}
		opts.SES = &email.SESOptions{Region: c.SES.Region, Config: account}
	}
	return email.New(opts)
}

// made returns c as a holdfast.Channel, and nil with an error.
func made[C holdfast.Channel](c C, err error) (holdfast.Channel, error) {
	if err != nil {
		return nil, err
	}
	return c, nil
}
