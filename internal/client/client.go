// Package client speaks the broker protocol of package api, for the pusher and
// for the operator's commands. It signs every attempt anew, tries again where
// that is harmless and may help, and says in words when a clock is wrong. It
// moves no data: the signed requests that it brings are sent by others.
package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/holdfast-backup/holdfast/internal/token"
)

// Options are what a Client is made of.
type Options struct {
	// BaseURL of the broker. Plain http is accepted for a loopback host only.
	BaseURL string
	// Signer of the calls; nil is enough for Health and Skew.
	Signer *token.Signer
	// HTTP sends the requests. Default: one that honours HTTPS_PROXY. Its
	// redirect policy is not used, since a call is signed for one place.
	HTTP      *http.Client
	UserAgent string
	Now       func() time.Time // this host's clock; default time.Now
}

// Client calls one broker. It is safe for concurrent use.
//
// Errors of its methods wrap an *api.Problem where the broker answered with one,
// and a *ClockError where the clocks of host and broker differ too much.
type Client struct {
	base      string
	signer    *token.Signer
	http      *http.Client
	userAgent string
	now       func() time.Time
	wait      func(context.Context, time.Duration) error
	jitter    func() float64 // from 0 to 1
}

// New returns a Client.
func New(o Options) (*Client, error) {
	base, err := token.Audience(o.BaseURL)
	if err != nil {
		return nil, err
	}
	if err := checkPlain(base); err != nil {
		return nil, err
	}
	if o.Signer != nil && o.Signer.Audience() != base {
		return nil, fmt.Errorf("broker URL %q: the key signs for %q", base, o.Signer.Audience())
	}
	c := &Client{
		base: base, signer: o.Signer, userAgent: o.UserAgent, now: o.Now,
		wait: wait, jitter: rand.Float64,
	}
	if c.now == nil {
		c.now = time.Now
	}
	// A copy, so that the caller's own is left as it is.
	sender := http.Client{Transport: newTransport()}
	if o.HTTP != nil {
		sender = *o.HTTP
	}
	sender.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.http = &sender
	return c, nil
}

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 15 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		TLSHandshakeTimeout:   15 * time.Second,
		IdleConnTimeout:       60 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}

// checkPlain refuses http to anything but this machine: tokens and upload
// tokens would be there for anyone on the way to read.
func checkPlain(base string) error {
	u, err := url.Parse(base)
	if err != nil {
		return fmt.Errorf("broker URL: %w", err)
	}
	if u.Scheme == "https" || u.Hostname() == "localhost" {
		return nil
	}
	if ip := net.ParseIP(u.Hostname()); ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("broker URL %q: want https, or a loopback address", base)
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

var errNoSigner = errors.New("no key to sign the call with")
