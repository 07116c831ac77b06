// Package shoutrrr tells people through whatever else shoutrrr knows: ntfy, Gotify,
// Telegram, Discord, Matrix, Pushover, …, by the URL that shoutrrr has for it.
//
// These services are told less than the others: a title and a text short enough for
// all of them, without threads, and without a word of when to come again. shoutrrr
// itself knows no deadline, and some of its services wait for an answer for ever, so
// a send that has not ended in time goes on by itself, and nothing else is sent until
// it ends. If it succeeds after all, its message is not sent again.
package shoutrrr

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert/fault"
	"github.com/holdfast-backup/holdfast/internal/secret"
)

// Options say where to send.
type Options struct {
	URL secret.Secret // as shoutrrr has it
	// Location is the time zone of the times in messages; UTC if nil.
	Location *time.Location
}

// Channel implements holdfast.Channel.
type Channel struct {
	o       Options
	scheme  string
	secrets []string // what no error may hold
	turn    *turn
}

// New returns the channel that o describes. Nothing is sent yet.
func New(o Options) (*Channel, error) {
	c := &Channel{o: o, turn: newTurn(), secrets: secrets(o.URL.Reveal())}
	var services router.ServiceRouter
	scheme, _, err := services.ExtractServiceName(o.URL.Reveal())
	if err != nil {
		return nil, errors.New("open shoutrrr: its URL can't be read")
	}
	c.scheme = strings.ToLower(scheme)
	switch _, err := services.NewService(c.scheme); {
	case c.scheme == "logger":
		return nil, errors.New("open shoutrrr: its service logger tells nobody")
	case err != nil:
		return nil, errors.New("open shoutrrr: the URL names no service that it knows; want one such as ntfy://ntfy.sh/topic")
	case c.scheme == "matrix":
		return c, nil // which would log in
	}
	if _, err := services.Locate(o.URL.Reveal()); err != nil {
		return nil, fmt.Errorf("open shoutrrr: %w", c.fault(err))
	}
	return c, nil
}

// Send implements holdfast.Channel. Sends wait for one another.
func (c *Channel) Send(ctx context.Context, m holdfast.Message) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("tell %s: %w", c.scheme, err)
	}
	err := c.turn.take(ctx, m.ID, func() error { return c.send(m) })
	switch {
	case err == nil:
		return "", nil
	case errors.Is(err, errUnderWay):
		return "", fmt.Errorf("tell %s: %w", c.scheme, err)
	}
	return "", fmt.Errorf("tell %s: %w", c.scheme, c.fault(err))
}

// send sends m through a service of its own, because a service keeps what it was
// sent last, and leaves no connection behind.
func (c *Channel) send(m holdfast.Message) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("its service panicked: %v", p) // Zulip's does where nobody answers
		}
	}()
	service, err := new(router.ServiceRouter).Locate(c.o.URL.Reveal())
	if err != nil {
		return err
	}
	defer ownConnections(service).CloseIdleConnections()
	title, text := texts(c.scheme, m, c.o.Location)
	params := types.Params{}
	if title != "" {
		params.SetTitle(title)
	}
	return service.Send(text, &params)
}

// anyURL is a URL in an error of shoutrrr, or of a service.
var anyURL = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://[^\s"']+`)

// fault returns err without any URL or part of one: shoutrrr quotes them all.
func (c *Channel) fault(err error) error {
	safe := fault.Of(err, c.secrets...)
	if text := anyURL.ReplaceAllString(safe.Error(), secret.Hidden); text != safe.Error() {
		return errors.New(text)
	}
	return safe
}

// minSecret is how long a part of a URL, or of one of its words, is at least for
// being a secret by itself.
const minSecret = 6

// secrets returns what may be secret of a URL of shoutrrr: everything. Its services
// put tokens into the user, the host, the path, the query; some cut them up.
func secrets(address string) []string {
	all := fault.Parts(address)
	if u, err := url.Parse(address); err == nil {
		all = append(all, u.Host, u.Hostname())
	}
	for _, part := range all[1:] {
		for _, word := range strings.FieldsFunc(part, func(r rune) bool { return strings.ContainsRune("-:/@=&?,", r) }) {
			if len(word) >= minSecret {
				all = append(all, word)
			}
		}
	}
	return all
}
