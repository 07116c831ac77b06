package token

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/holdfast-backup/holdfast"
)

var (
	kidPattern = regexp.MustCompile(`^[0-9a-f]{16}$`)
	jtiPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{22}$`)
)

// Verifier reads request tokens. It is safe for concurrent use.
type Verifier struct {
	audience string
	lookup   func(kid string) (holdfast.Principal, bool)
	now      func() time.Time
	nobody   ed25519.PublicKey
	used     *used
}

// NewVerifier returns a Verifier for the broker at the URL audience. lookup
// returns the holder of a key by the key's id; it is called with well-formed
// ids only, and has to leave out those that were cut off.
func NewVerifier(audience string, lookup func(kid string) (holdfast.Principal, bool), now func() time.Time) (*Verifier, error) {
	audience, err := Audience(audience)
	if err != nil {
		return nil, fmt.Errorf("verify tokens: %w", err)
	}
	// A key that nobody holds: a token of an unknown key is measured against
	// it, so that it takes as long to refuse as one with a bad signature.
	nobody, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, fmt.Errorf("verify tokens: %w", err)
	}
	return &Verifier{audience: audience, lookup: lookup, now: now, nobody: nobody, used: newUsed(maxUsed)}, nil
}

// Request is a call whose token is good, up to its body.
type Request struct {
	Principal holdfast.Principal
	bsh       string
}

// CheckBody returns an ErrToken unless body is the one that was signed. Until
// then nothing in it may be believed.
func (r *Request) CheckBody(body []byte) error {
	if bodyHash(body) != r.bsh {
		return notAccepted("signed for another body")
	}
	return nil
}

// Verify reads the value of an Authorization header for a call of method to
// path, which includes the query and is relative to the audience. The error is a
// *ClockError if the times alone are wrong, else it wraps ErrToken. A token is
// good once: the same again is refused, as far as this Verifier remembers.
func (v *Verifier) Verify(authorization, method, path string) (*Request, error) {
	text, ok := strings.CutPrefix(authorization, "Bearer ")
	if !ok {
		return nil, notAccepted("want Authorization: Bearer and a request token")
	}
	if !compact(text, maxRequestToken) {
		return nil, notAccepted("malformed")
	}
	principal, claims, err := v.parse(text)
	if err != nil {
		return nil, err
	}
	now := v.now()
	if err := checkTimes(claims, now); err != nil {
		return nil, err
	}
	if claims.HTM != method || claims.HTU != path {
		return nil, notAccepted("signed for another call")
	}
	if !jtiPattern.MatchString(claims.ID) || claims.BSH == "" {
		return nil, notAccepted("malformed")
	}
	// Last, so that only a token that is good in all else is ever used up.
	if !v.used.first(claims.ID, now) {
		return nil, notAccepted("used before")
	}
	return &Request{Principal: principal, bsh: claims.BSH}, nil
}

// parse checks everything but times and call. The library's own time checks run
// with a leeway and decide nothing that checkTimes does not decide more
// strictly; what they add is that both times must be there and be numbers.
func (v *Verifier) parse(text string) (holdfast.Principal, *requestClaims, error) {
	principal := v.holder(text)
	var claims requestClaims
	_, err := jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}),
		jwt.WithAudience(v.audience),
		jwt.WithIssuer(principal.Name),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithStrictDecoding(),
		jwt.WithLeeway(MaxAhead),
		jwt.WithTimeFunc(v.now),
	).ParseWithClaims(text, &claims, func(t *jwt.Token) (any, error) {
		if len(t.Header) != 3 || t.Header["typ"] != requestType {
			return nil, errors.New("header has fields that are not understood")
		}
		return principal.Key, nil
	})
	switch {
	case err == nil:
	case errors.Is(err, jwt.ErrTokenInvalidIssuer), errors.Is(err, jwt.ErrTokenRequiredClaimMissing),
		!errors.Is(err, jwt.ErrTokenInvalidClaims):
		return principal, nil, notAccepted("unknown key or bad signature")
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return principal, nil, notAccepted("signed for another broker than " + v.audience)
	case errors.Is(err, jwt.ErrTokenExpired), errors.Is(err, jwt.ErrTokenUsedBeforeIssued), errors.Is(err, jwt.ErrTokenNotValidYet):
		// checkTimes says how far.
	default:
		return principal, nil, notAccepted("malformed")
	}
	if claims.IssuedAt == nil || len(claims.Audience) != 1 {
		return principal, nil, notAccepted("malformed")
	}
	return principal, &claims, nil
}

// holder returns who holds the key that the token names, or somebody whose
// signature nobody can make. It reads the header before anything is proven and
// takes nothing from it but a well-formed key id.
func (v *Verifier) holder(text string) holdfast.Principal {
	nobody := holdfast.Principal{Name: "nobody", Key: v.nobody}
	t, _, err := jwt.NewParser(jwt.WithStrictDecoding()).ParseUnverified(text, &requestClaims{})
	if err != nil {
		return nobody
	}
	kid, ok := t.Header["kid"].(string)
	if !ok || !kidPattern.MatchString(kid) {
		return nobody
	}
	// The library skips the issuer check for an empty name.
	principal, ok := v.lookup(kid)
	if !ok || principal.Name == "" || holdfast.KeyID(principal.Key) != kid {
		return nobody
	}
	return principal
}

// checkTimes measures a genuine token against the broker's clock. Only the
// time of issue has a leeway, since a fast clock is the maker's fault and a
// token that lives longer is an attacker's gain.
func checkTimes(c *requestClaims, now time.Time) error {
	issued, expires := c.IssuedAt.Time, c.ExpiresAt.Time
	if life := expires.Sub(issued); life <= 0 || life > MaxLifetime {
		return notAccepted(fmt.Sprintf("lives longer than %s or not at all", MaxLifetime))
	}
	ahead := issued.Sub(now)
	early := ahead > MaxAhead || c.NotBefore != nil && c.NotBefore.Sub(now) > MaxAhead
	if early || ahead < -MaxLifetime || !now.Before(expires) {
		return &ClockError{Ahead: ahead.Round(time.Second)}
	}
	return nil
}
