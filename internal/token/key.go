package token

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"github.com/holdfast-backup/holdfast/internal/secret"
)

const pemType = "PRIVATE KEY"

// GenerateKey makes the key of a host or an operator.
func GenerateKey() (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	return key, nil
}

// EncodePrivateKey returns the key as PKCS #8 in PEM (RFC 7468), which openssl
// reads too.
func EncodePrivateKey(key ed25519.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der}), nil
}

// ParsePrivateKey reads what EncodePrivateKey writes. Its errors hold nothing
// of the key.
func ParsePrivateKey(text []byte) (ed25519.PrivateKey, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != pemType {
		return nil, errors.New("parse key: want a PEM block PRIVATE KEY")
	}
	if next, _ := pem.Decode(rest); next != nil {
		return nil, errors.New("parse key: want one PEM block, found several")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("parse key: not PKCS #8")
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, errors.New("parse key: not an Ed25519 key")
	}
	return key, nil
}

// LoadPrivateKey reads a key file, which nobody but its owner may be able to
// read or change.
func LoadPrivateKey(path string) (ed25519.PrivateKey, error) {
	if err := secret.CheckMode(path); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	key, err := ParsePrivateKey(text)
	if err != nil {
		return nil, fmt.Errorf("key file %q: %w", path, err)
	}
	return key, nil
}
