package secret

import (
	"errors"
	"net/url"
)

// WithoutURL strips the *url.Error that net/http puts around its errors: signed
// URLs, webhooks and heartbeats are secrets.
func WithoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
