// Package token makes and reads everything in Holdfast that is signed: the
// request tokens with which hosts and operators call the broker, the tokens
// that the broker seals for itself (uploads, tickets, signed URLs of the disk
// vault), and the signature of a manifest. Each bears its own type under its
// signature, so that none can pass for another.
//
// It knows keys and times, not what a caller may do: that is
// holdfast.Principal's, and the broker asks it.
package token

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Errors that callers branch on.
var (
	// ErrToken: the token is not accepted. The text around it says no more
	// than a stranger may know: an unknown key, a wrong issuer and a bad
	// signature read the same.
	ErrToken = errors.New("token not accepted")
	// ErrExpired: a sealed token is genuine and its time is over. It comes
	// together with ErrToken.
	ErrExpired = errors.New("it has expired")
)

// ClockError says that a request token is genuine, and that its times do not
// fit the broker's clock: it is old, or its maker's clock is wrong.
type ClockError struct {
	// Ahead is how far the clock by which the token was made is ahead of the
	// broker's; negative where it is behind. An old token looks the same as a
	// slow clock.
	Ahead time.Duration
}

// Error implements error.
func (e *ClockError) Error() string {
	if e.Ahead < 0 {
		return fmt.Sprintf("token was made %s before the broker's time", -e.Ahead)
	}
	return fmt.Sprintf("token was made %s after the broker's time", e.Ahead)
}

// notAccepted returns an ErrToken with a reason that may be told to anyone.
func notAccepted(reason string) error { return fmt.Errorf("%w: %s", ErrToken, reason) }

// compact reports whether s can be a JWS in compact form of at most limit
// bytes. The base64 decoder passes over line ends, which would let a token be
// written in more than one way.
func compact(s string, limit int) bool {
	return s != "" && len(s) <= limit && strings.IndexFunc(s, func(r rune) bool {
		return !(r == '-' || r == '_' || r == '.' ||
			'0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z')
	}) < 0
}
