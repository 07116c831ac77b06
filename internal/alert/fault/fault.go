// Package fault makes errors that may be shown of what goes wrong while somebody is
// told something: one line, without the URL, the token, the password that the
// libraries underneath, or the service itself, put into them.
package fault

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/secret"
)

// maxCause is the length of a cause, in bytes: enough for a sentence of a service.
const maxCause = 300

// Of returns err as one printable line of a few hundred bytes without any of the
// secrets. That a context has ended stays known by errors.Is; all else that err
// wraps is gone, since it may hold what the text does not show any more.
func Of(err error, secrets ...string) error {
	if err == nil {
		return nil
	}
	for _, known := range []error{context.DeadlineExceeded, context.Canceled} {
		if errors.Is(err, known) {
			return known
		}
	}
	if inURL, ok := errors.AsType[*url.Error](err); ok {
		err = inURL.Err
	}
	return errors.New(Line(err.Error(), secrets...))
}

// Line returns the text of a service, or of a library, as Of has it.
func Line(text string, secrets ...string) string {
	text = strings.Join(strings.Fields(secret.Redact(text, secrets...)), " ")
	text = holdfast.Printable(text)
	if len(text) > maxCause {
		text = strings.ToValidUTF8(text[:maxCause], "") + "…"
	}
	return text
}

// minPart is how long a part of a URL must be to be a secret by itself.
const minPart = 6

// Parts returns what of a URL may be secret: the whole, its user and password,
// its path and each element of it, its query and each value of that. Not its host,
// without which nobody could tell what is wrong.
func Parts(address string) []string {
	parts := []string{address}
	u, err := url.Parse(address)
	if err != nil {
		return parts
	}
	add := func(texts ...string) {
		for _, text := range texts {
			if len(strings.Trim(text, "/")) >= minPart {
				parts = append(parts, text)
			}
		}
	}
	if u.User != nil {
		password, _ := u.User.Password()
		add(u.User.String(), u.User.Username(), password)
	}
	for _, path := range []string{u.Path, u.EscapedPath(), u.Opaque} {
		add(path, strings.Trim(path, "/"))
		add(strings.Split(path, "/")...)
	}
	add(u.RequestURI(), u.RawQuery, u.Fragment)
	for _, values := range u.Query() {
		add(values...)
	}
	return parts
}
