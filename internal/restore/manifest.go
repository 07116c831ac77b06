package restore

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/token"
)

// Signature says what is known of a manifest's signature.
type Signature string

// What can be known of a signature.
const (
	Verified  Signature = "verified"    // made by a key of the host
	Unchecked Signature = "not checked" // by a key that nobody knows, taken on SkipSignature
)

// openManifest fetches the manifest and proves that the host signed it and that
// it is the one of the backup asked for, not another good one put in its place.
func openManifest(ctx context.Context, f Fetcher, o Options) (holdfast.Manifest, Signature, error) {
	doc, keys, err := f.Manifest(ctx)
	if err != nil {
		return holdfast.Manifest{}, "", err
	}
	signature := Verified
	m, err := token.OpenManifest(doc, keys...)
	if id := keyID(doc); errors.Is(err, holdfast.ErrCorrupt) && id != "" && !known(id, keys) {
		if !o.SkipSignature {
			return holdfast.Manifest{}, "", fmt.Errorf("manifest of %s: key %s: %w", f.Ref(), id, ErrUnknownKey)
		}
		signature = Unchecked
		o.Warn(fmt.Sprintf("manifest of %s: its signature, by the unknown key %s, was not checked", f.Ref(), id))
		m, err = token.ReadManifest(doc)
	}
	if err != nil {
		return holdfast.Manifest{}, "", fmt.Errorf("open manifest of %s: %w", f.Ref(), err)
	}
	if m.Ref != f.Ref() {
		return holdfast.Manifest{}, "", fmt.Errorf("manifest of %s: is that of %s: %w", f.Ref(), m.Ref, holdfast.ErrCorrupt)
	}
	return m, signature, nil
}

func known(id string, keys []ed25519.PublicKey) bool {
	return slices.ContainsFunc(keys, func(key ed25519.PublicKey) bool { return holdfast.KeyID(key) == id })
}

// keyID returns the id of the key that a document claims to be signed with, to
// tell a forgotten key from a forgery in the message; "" if it claims none.
func keyID(doc []byte) string {
	var envelope struct {
		Signature string `json:"signature"`
	}
	var header struct {
		KeyID string `json:"kid"`
	}
	if json.Unmarshal(doc, &envelope) != nil {
		return ""
	}
	encoded, _, _ := strings.Cut(envelope.Signature, ".")
	decoded, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || json.Unmarshal(decoded, &header) != nil || len(header.KeyID) != 16 ||
		strings.Trim(header.KeyID, "0123456789abcdef") != "" {
		return ""
	}
	return header.KeyID
}
