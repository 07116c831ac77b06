package token

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/holdfast-backup/holdfast/internal/secret"
)

// Kinds of sealed tokens. The kind is under the seal and is checked, so that
// none can pass for another.
const (
	KindUpload   = "upload"   // what the broker remembers of a backup that has begun
	KindTicket   = "ticket"   // a link to one file of one backup
	KindPart     = "part"     // one part, to be sent to the disk vault
	KindDownload = "download" // one object, to be fetched from the disk vault
	KindStatus   = "status"   // a look at the status page
)

const (
	minSecret      = 32       // bytes
	maxSealedToken = 64 << 10 // bytes; an upload token of 16 streams has about 10 KiB
	sealedType     = "holdfast-"
)

// Sealer makes tokens that only it can read back as genuine. What is sealed is
// not hidden. It is safe for concurrent use.
type Sealer struct {
	audience string
	current  []byte
	accepted jwt.VerificationKeySet
}

// sealedClaims is the payload of a sealed token.
type sealedClaims struct {
	jwt.RegisteredClaims
	Claims json.RawMessage `json:"claims"`
}

// NewSealer returns a Sealer that seals with current and opens what was sealed
// with current or one of old, so that the secret can be changed while tokens
// are out. Tokens of another audience are refused, even under the same secret.
func NewSealer(audience string, current secret.Secret, old ...secret.Secret) (*Sealer, error) {
	if audience == "" {
		return nil, errors.New("seal tokens: no audience")
	}
	s := &Sealer{audience: audience, current: []byte(current.Reveal())}
	for _, each := range append([]secret.Secret{current}, old...) {
		if n := len(each.Reveal()); n < minSecret {
			return nil, fmt.Errorf("seal tokens: secret has %d bytes, want at least %d", n, minSecret)
		}
		s.accepted.Keys = append(s.accepted.Keys, []byte(each.Reveal()))
	}
	return s, nil
}

// Seal returns a token of that kind with the JSON of claims in it, which Open
// gives back until expires.
func (s *Sealer) Seal(kind string, claims any, expires time.Time) (string, error) {
	if err := checkKind(kind); err != nil {
		return "", fmt.Errorf("seal token: %w", err)
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("seal %s token: %w", kind, err)
	}
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, sealedClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Audience:  jwt.ClaimStrings{s.audience},
			ExpiresAt: jwt.NewNumericDate(expires),
		},
		Claims: body,
	})
	t.Header["typ"] = sealedType + kind
	sealed, err := t.SignedString(s.current)
	if err != nil {
		return "", fmt.Errorf("seal %s token: %w", kind, err)
	}
	if len(sealed) > maxSealedToken {
		return "", fmt.Errorf("seal %s token: %d bytes, want at most %d", kind, len(sealed), maxSealedToken)
	}
	return sealed, nil
}

// Open reads what Seal made of the same kind into claims. It returns an
// ErrToken for anything else, which is also an ErrExpired if the token is
// genuine and now is not before its expiry; claims are then left alone.
func (s *Sealer) Open(kind, sealed string, claims any, now time.Time) error {
	if err := checkKind(kind); err != nil {
		return fmt.Errorf("open token: %w", err)
	}
	if !compact(sealed, maxSealedToken) {
		return notAccepted("malformed")
	}
	var payload sealedClaims
	_, err := jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithAudience(s.audience),
		jwt.WithExpirationRequired(),
		jwt.WithStrictDecoding(),
		jwt.WithTimeFunc(func() time.Time { return now }),
	).ParseWithClaims(sealed, &payload, func(t *jwt.Token) (any, error) {
		if len(t.Header) != 2 || t.Header["typ"] != sealedType+kind {
			return nil, errors.New("another kind of token")
		}
		return s.accepted, nil
	})
	switch {
	case err == nil:
	case errors.Is(err, jwt.ErrTokenExpired) && !errors.Is(err, jwt.ErrTokenInvalidAudience):
		return fmt.Errorf("%w: %w", ErrToken, ErrExpired)
	default:
		return notAccepted("not sealed here as " + kind)
	}
	dec := json.NewDecoder(bytes.NewReader(payload.Claims))
	dec.DisallowUnknownFields()
	if err := dec.Decode(claims); err != nil {
		return notAccepted("claims of another version")
	}
	if _, err := dec.Token(); err != io.EOF {
		return notAccepted("claims of another version")
	}
	return nil
}

func checkKind(kind string) error {
	kinds := []string{KindUpload, KindTicket, KindPart, KindDownload, KindStatus}
	if !slices.Contains(kinds, kind) {
		return fmt.Errorf("unknown kind %q, want one of %q", kind, kinds)
	}
	return nil
}
