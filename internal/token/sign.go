package token

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/holdfast-backup/holdfast"
)

// Lifetimes of a request token.
const (
	// Lifetime is what a Signer gives, from issue to expiry.
	Lifetime = 90 * time.Second
	// MaxLifetime is the most a Verifier accepts.
	MaxLifetime = 2 * time.Minute
	// MaxAhead is how far in the future, by the broker's clock, a token may
	// have been issued.
	MaxAhead = time.Minute
)

const (
	requestType     = "holdfast-request+jwt"
	maxRequestToken = 4 << 10 // bytes
	jtiBytes        = 16
)

// requestClaims are what a request token says. HTM and HTU are named after
// RFC 9449.
type requestClaims struct {
	jwt.RegisteredClaims
	HTM string `json:"htm"` // the method
	HTU string `json:"htu"` // path and query, relative to the audience
	BSH string `json:"bsh"` // base64url of the body's SHA-256
}

// Signer makes request tokens for one key. It is safe for concurrent use.
type Signer struct {
	key      ed25519.PrivateKey
	kid      string
	issuer   string
	audience string
}

// NewSigner returns a Signer for the host or operator issuer, whose tokens hold
// for the broker at the URL audience only.
func NewSigner(key ed25519.PrivateKey, issuer, audience string) (*Signer, error) {
	if len(key) != ed25519.PrivateKeySize {
		return nil, errors.New("sign tokens: no Ed25519 key")
	}
	if issuer == "" {
		return nil, errors.New("sign tokens: no issuer")
	}
	audience, err := Audience(audience)
	if err != nil {
		return nil, fmt.Errorf("sign tokens: %w", err)
	}
	kid := holdfast.KeyID(key.Public().(ed25519.PublicKey))
	return &Signer{key: key, kid: kid, issuer: issuer, audience: audience}, nil
}

// Audience returns the broker's URL, in the form of Audience.
func (s *Signer) Audience() string { return s.audience }

// Sign returns a token for exactly one call: this method, this path with its
// query, relative to the audience, and this body. now is the time of its issue.
func (s *Signer) Sign(method, path string, body []byte, now time.Time) (string, error) {
	jti := make([]byte, jtiBytes)
	if _, err := rand.Read(jti); err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	t := jwt.NewWithClaims(jwt.SigningMethodEdDSA, requestClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    s.issuer,
			Audience:  jwt.ClaimStrings{s.audience},
			IssuedAt:  jwt.NewNumericDate(now),
			ExpiresAt: jwt.NewNumericDate(now.Add(Lifetime)),
			ID:        base64.RawURLEncoding.EncodeToString(jti),
		},
		HTM: method,
		HTU: path,
		BSH: bodyHash(body),
	})
	t.Header["kid"], t.Header["typ"] = s.kid, requestType
	signed, err := t.SignedString(s.key)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return signed, nil
}

// bodyHash returns the bsh claim of a body; an absent one is empty.
func bodyHash(body []byte) string {
	sum := sha256.Sum256(body)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
