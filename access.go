package holdfast

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Scope is one thing a key may be used for.
type Scope string

// The scopes. A host has push and report; an operator has restore.
const (
	ScopePush    Scope = "push"    // start, send, commit and abort backups
	ScopeReport  Scope = "report"  // report failures and drills
	ScopeRestore Scope = "restore" // list, download, make tickets
)

// Principal is the holder of a key: a host or an operator.
type Principal struct {
	Name   string // of the host or operator
	Key    ed25519.PublicKey
	Scopes []Scope
	Jobs   []string // patterns of host/job, in which * matches within one name
}

// May reports whether the principal may do scope for the job of the host. A
// malformed pattern matches nothing.
func (p Principal) May(scope Scope, host, job string) bool {
	return slices.Contains(p.Scopes, scope) && slices.ContainsFunc(p.Jobs, func(pattern string) bool {
		ok, err := path.Match(pattern, host+"/"+job)
		return err == nil && ok
	})
}

// KeyID returns the id of a public key, as tokens bear it: the first 8 bytes of
// its SHA-256, in lower-case hex.
func KeyID(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:8])
}

const publicKeyPrefix = "ed25519:"

// FormatPublicKey returns the key as configuration has it: "ed25519:" and the
// 32 bytes in unpadded base64url.
func FormatPublicKey(key ed25519.PublicKey) string {
	return publicKeyPrefix + base64.RawURLEncoding.EncodeToString(key)
}

// ParsePublicKey reads what FormatPublicKey writes.
func ParsePublicKey(s string) (ed25519.PublicKey, error) {
	text, ok := strings.CutPrefix(s, publicKeyPrefix)
	if !ok {
		return nil, fmt.Errorf("public key %q: want ed25519:…", s)
	}
	key, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("public key %q: want ed25519: and 43 characters", s)
	}
	return key, nil
}
