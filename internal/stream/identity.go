package stream

import (
	"errors"

	"filippo.io/age"
)

// Identities decrypt streams.
type Identities struct {
	Age     []age.Identity
	OpenPGP []*SecretKeys
}

// None reports whether there are none.
func (i Identities) None() bool { return len(i.Age) == 0 && len(i.OpenPGP) == 0 }

// ErrNoIdentity says that none of the identities given decrypts a stream.
var ErrNoIdentity = errors.New("no identity that fits was given")

// LockedError says that an identity fits and cannot be used: its passphrase is
// wrong, or nobody could be asked for it. An age.Identity returns one for that.
type LockedError struct{ Err error }

// Error implements error.
func (e *LockedError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *LockedError) Unwrap() error { return e.Err }
