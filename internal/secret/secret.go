// Package secret keeps secrets out of sight: a type that never prints itself,
// references that say where a secret lies instead of holding it, and a redactor
// for the texts of other programs.
package secret

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
)

// Hidden is what a Secret prints instead of itself.
const Hidden = "[hidden]"

// Secret is a value that must not be shown. It prints as "[hidden]" in every
// verb of fmt, in slog and in JSON; only Reveal gives it away. Two are compared with
// Equal; == does not compile.
type Secret struct {
	_ [0]func()
	// Behind a pointer, because fmt looks through unexported fields of other structs
	// without asking what lies there how it prints, but not through pointers.
	value *string
}

// New returns value as a Secret.
func New(value string) Secret { return Secret{value: &value} }

// Reveal returns the value.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero reports whether there is no value.
func (s Secret) IsZero() bool { return s.Reveal() == "" }

// Equal reports whether both have the same value.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// String implements fmt.Stringer.
func (s Secret) String() string { return Hidden }

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return Hidden }

// Format implements fmt.Formatter, for the verbs that look inside a struct.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, Hidden) }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(Hidden) }

// MarshalJSON implements json.Marshaler.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(Hidden) }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte(Hidden), nil }

// Ref says where a secret lies: "env:NAME", "file:/path" or "ssm:/name", a
// parameter in AWS's parameter store. The reference itself may be shown.
type Ref string

// Resolver fetches secrets by reference.
type Resolver func(ctx context.Context, ref Ref) (Secret, error)

// Local is the Resolver of what lies on this machine, as Ref.Resolve.
func Local(_ context.Context, ref Ref) (Secret, error) { return ref.Resolve() }

// RefError is a secret that could not be fetched from where the reference says.
type RefError struct {
	Ref Ref
	Err error // says which, too
}

// Error returns what Err says.
func (e *RefError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *RefError) Unwrap() error { return e.Err }

// Resolve fetches a secret that lies on this machine. A file's trailing newline
// is not part of it; a file that others than its owner can read is refused. An
// empty secret is an error: nothing that is protected by nothing should start.
// All errors are of type *RefError.
func (r Ref) Resolve() (Secret, error) {
	s, err := r.fetch()
	if err != nil {
		return Secret{}, &RefError{r, err}
	}
	return s, nil
}

func (r Ref) fetch() (Secret, error) {
	kind, rest, ok := strings.Cut(string(r), ":")
	if !ok {
		return Secret{}, fmt.Errorf("secret reference: want env:NAME or file:PATH")
	}
	var value string
	switch kind {
	case "env":
		value = os.Getenv(rest)
	case "file":
		if err := CheckMode(rest); err != nil {
			return Secret{}, err
		}
		b, err := os.ReadFile(rest)
		if err != nil {
			return Secret{}, fmt.Errorf("read secret: %w", err)
		}
		value = strings.TrimRight(string(b), "\r\n")
	case "ssm":
		return Secret{}, fmt.Errorf("secret %s: lies in AWS's parameter store, which can't be reached from here", r)
	default:
		return Secret{}, fmt.Errorf("secret reference: unknown kind %q, want env:NAME or file:PATH", kind)
	}
	if value == "" {
		return Secret{}, fmt.Errorf("secret %s: is empty", r)
	}
	return New(value), nil
}

// CheckMode returns an error if others than the owner of the file may read or
// change it.
func CheckMode(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("read secret: %w", err)
	}
	if loose := info.Mode().Perm() & 0o077; loose != 0 {
		return fmt.Errorf("secret file %q: mode %04o lets others in, want 0600", path, info.Mode().Perm())
	}
	return nil
}
