package token

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/holdfast-backup/holdfast"
)

// The stored manifest.json is the manifest between these, byte for byte:
//
//	{
//	  "manifest": {…},
//	  "signature": "<header>..<signature>"
//	}
//
// The signature is a JWS in compact form with detached payload (RFC 7515,
// appendix F). Its payload is the value of "manifest" exactly as it lies in the
// file. The envelope has one form only, so a document that was touched in any
// way does not open.
const (
	beforeManifest  = "{\n  \"manifest\": "
	beforeSignature = ",\n  \"signature\": \""
	afterSignature  = "\"\n}\n"

	manifestType = "holdfast-manifest+json"
)

// SignManifest returns the document that is stored as manifest.json.
func SignManifest(key ed25519.PrivateKey, m holdfast.Manifest) ([]byte, error) {
	if len(key) != ed25519.PrivateKeySize {
		return nil, errors.New("sign manifest: no Ed25519 key")
	}
	if err := m.Check(); err != nil {
		return nil, fmt.Errorf("sign %w", err)
	}
	body, err := encodeManifest(m)
	if err != nil {
		return nil, fmt.Errorf("sign manifest: %w", err)
	}
	header := manifestHeader(key.Public().(ed25519.PublicKey))
	signature, err := jwt.SigningMethodEdDSA.Sign(signingInput(header, body), key)
	if err != nil {
		return nil, fmt.Errorf("sign manifest: %w", err)
	}
	var doc bytes.Buffer
	doc.WriteString(beforeManifest)
	doc.Write(body)
	doc.WriteString(beforeSignature + header + ".." + base64.RawURLEncoding.EncodeToString(signature) + afterSignature)
	if doc.Len() > holdfast.MaxManifestSize {
		return nil, fmt.Errorf("sign manifest: %d bytes, want at most %d", doc.Len(), holdfast.MaxManifestSize)
	}
	return doc.Bytes(), nil
}

// OpenManifest reads a manifest.json that one of keys has signed. Anything else
// is holdfast.ErrCorrupt; a manifest that was signed and is not understood is
// an error of its own.
func OpenManifest(doc []byte, keys ...ed25519.PublicKey) (holdfast.Manifest, error) {
	body, jws, err := splitManifest(doc)
	if err != nil {
		return holdfast.Manifest{}, err
	}
	if !signedBy(body, jws, keys) {
		return holdfast.Manifest{}, fmt.Errorf("manifest: %w: not signed by the host's key", holdfast.ErrCorrupt)
	}
	return holdfast.DecodeManifest(body)
}

// ReadManifest reads a manifest.json without proof of who made it, to show what
// it says. Nothing may be decided by it.
func ReadManifest(doc []byte) (holdfast.Manifest, error) {
	body, _, err := splitManifest(doc)
	if err != nil {
		return holdfast.Manifest{}, err
	}
	return holdfast.DecodeManifest(body)
}

// encodeManifest returns the JSON as it lies in the file. The words of the
// restore hold | and >, which are to be read and pasted by people.
func encodeManifest(m holdfast.Manifest) ([]byte, error) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	enc.SetIndent("  ", "  ")
	if err := enc.Encode(m); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(body.Bytes(), []byte("\n")), nil
}

func splitManifest(doc []byte) (body []byte, jws string, err error) {
	if len(doc) > holdfast.MaxManifestSize {
		return nil, "", fmt.Errorf("manifest: larger than %d bytes", holdfast.MaxManifestSize)
	}
	rest, ok := bytes.CutPrefix(doc, []byte(beforeManifest))
	rest, whole := bytes.CutSuffix(rest, []byte(afterSignature))
	at := bytes.LastIndex(rest, []byte(beforeSignature))
	if !ok || !whole || at < 0 {
		return nil, "", fmt.Errorf("manifest: %w: not a signed manifest", holdfast.ErrCorrupt)
	}
	return rest[:at], string(rest[at+len(beforeSignature):]), nil
}

// signedBy reports whether jws is the signature of body by one of keys. The
// header is never parsed: there is one right header for each key.
func signedBy(body []byte, jws string, keys []ed25519.PublicKey) bool {
	header, encoded, ok := strings.Cut(jws, "..")
	signature, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if !ok || err != nil || len(encoded) != base64.RawURLEncoding.EncodedLen(ed25519.SignatureSize) {
		return false
	}
	for _, key := range keys {
		if header == manifestHeader(key) {
			return jwt.SigningMethodEdDSA.Verify(signingInput(header, body), signature, key) == nil
		}
	}
	return false
}

func manifestHeader(key ed25519.PublicKey) string {
	header := fmt.Sprintf(`{"alg":"EdDSA","kid":"%s","typ":"%s"}`, holdfast.KeyID(key), manifestType)
	return base64.RawURLEncoding.EncodeToString([]byte(header))
}

func signingInput(header string, body []byte) string {
	return header + "." + base64.RawURLEncoding.EncodeToString(body)
}
