package cli

import (
	"crypto/ed25519"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/token"
)

// NewKey writes a new private key to a file that is not there yet, mode 0600,
// and returns the public key as configuration has it.
func NewKey(path string) (public string, err error) {
	key, err := token.GenerateKey()
	if err != nil {
		return "", err
	}
	text, err := token.EncodePrivateKey(key)
	if err != nil {
		return "", err
	}
	if err := NewFile(path, text, 0o600); err != nil {
		return "", err
	}
	return holdfast.FormatPublicKey(key.Public().(ed25519.PublicKey)), nil
}
