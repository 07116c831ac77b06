// Package webhook tells a program of the operator's, by a POST of JSON that is
// signed if there is a secret. docs/webhook.md documents what it gets.
package webhook

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert/fault"
	"github.com/holdfast-backup/holdfast/internal/secret"
)

// FormatVersion is the version of the JSON.
const FormatVersion = 1

// Options say where to send, and what the body is signed with.
type Options struct {
	URL    secret.Secret
	Secret secret.Secret // none if zero: then nothing is signed
	// HTTP sends the requests; http.DefaultClient if nil. Redirects are not followed.
	HTTP *http.Client
	// UserAgent names the program and its version, as in "holdfast 1.0".
	UserAgent string
	Now       func() time.Time // of signatures; time.Now if nil
}

// Channel implements holdfast.Channel.
type Channel struct {
	o       Options
	secrets []string // what no error may hold
}

// New returns the channel that o describes. Nothing is sent yet.
func New(o Options) (*Channel, error) {
	u, err := url.Parse(o.URL.Reveal())
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return nil, errors.New("open webhook: its URL is not one of the web (https://…)")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Channel{o: o, secrets: fault.Parts(o.URL.Reveal())}
	if !o.Secret.IsZero() {
		c.secrets = append(c.secrets, o.Secret.Reveal())
	}
	return c, nil
}

// document is the JSON that is sent.
type document struct {
	Version int              `json:"version"`
	Message holdfast.Message `json:"message"`
}

// Send implements holdfast.Channel. It tries once: who judges the vault again in
// some minutes sends what was not taken again, with the same ID.
func (c *Channel) Send(ctx context.Context, m holdfast.Message) (string, error) {
	body, err := json.Marshal(document{FormatVersion, m})
	if err != nil {
		return "", fmt.Errorf("encode message: %w", err)
	}
	var answer fault.Answer
	if err := c.post(ctx, m.ID, body, &answer); err != nil {
		return "", fmt.Errorf("tell webhook: %w", fault.Of(err, c.secrets...))
	}
	if answer.Status/100 == 2 {
		return "", nil
	}
	refused := fmt.Errorf("tell webhook: %s", c.refusal(answer))
	after, asked := fault.RetryAfter(answer.Header, c.o.Now())
	if answer.Status == http.StatusTooManyRequests || answer.Status == http.StatusServiceUnavailable && asked {
		return "", &holdfast.RetryAfterError{After: after, Err: refused}
	}
	return "", refused
}

// post sends body and reads the answer.
func (c *Channel) post(ctx context.Context, id string, body []byte, answer *fault.Answer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.o.URL.Reveal(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", cmp.Or(c.o.UserAgent, "holdfast"))
	req.Header.Set("Holdfast-Id", id)
	if !c.o.Secret.IsZero() {
		req.Header.Set(SignatureHeader, sign(c.o.Secret, c.o.Now(), body))
	}
	resp, err := fault.Client(c.o.HTTP, answer).Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return errors.Join(err, resp.Body.Close())
}

// refusal says in words what was answered, with the beginning of its text.
func (c *Channel) refusal(answer fault.Answer) string {
	text := fmt.Sprintf("it answers with status %d", answer.Status)
	switch {
	case answer.Status/100 == 3:
		text += ", a redirect, which is not followed"
	case answer.Status == http.StatusGone:
		text += ": it is not there any more"
	}
	if said := fault.Line(string(answer.Body), c.secrets...); said != "" && answer.Status/100 != 3 {
		text += ": " + said
	}
	return text
}
