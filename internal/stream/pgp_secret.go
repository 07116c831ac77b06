package stream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// SecretKeys are the OpenPGP secret keys of a file, which may be locked with a
// passphrase. Not safe for concurrent use.
type SecretKeys struct {
	keys []*packet.PrivateKey
	ask  func(what string) ([]byte, error)
}

// ParseSecretKeys reads OpenPGP secret keys, armored or not, as gpg exports them.
// Whether they have expired does not matter. The passphrase of a locked key is
// asked for when a stream that is encrypted to it is opened. No error quotes from
// data.
func ParseSecretKeys(data []byte, ask func(what string) ([]byte, error)) (*SecretKeys, error) {
	packets, err := unarmor(data)
	if err != nil {
		return nil, err
	}
	s := &SecretKeys{ask: ask}
	for r := packet.NewReader(bytes.NewReader(packets.data)); ; {
		p, err := r.Next()
		switch {
		case err == io.EOF && len(s.keys) > 0:
			return s, nil
		case err == io.EOF && packets.private:
			return nil, errors.New("holds no OpenPGP key that decrypts; one on a smartcard cannot be used here, gpg can")
		case err == io.EOF:
			return nil, errors.New("holds an OpenPGP public key, want the secret one (gpg --export-secret-keys)")
		case err != nil:
			return nil, errors.New("is a damaged OpenPGP key, or of a kind that is not known")
		}
		if key, ok := p.(*packet.PrivateKey); ok && key.PubKeyAlgo.CanEncrypt() && !key.Dummy() {
			s.keys = append(s.keys, key)
		}
	}
}

// among reports whether one of the keys is among the recipients of a manifest.
func (s *SecretKeys) among(recipients []string) bool {
	for _, key := range s.keys {
		own := fingerprint(&key.PublicKey)
		for _, r := range recipients {
			if primary, subkey, _ := strings.Cut(r, "/"); subkey == own || subkey == "" && primary == own {
				return true
			}
		}
	}
	return false
}

// unlock makes a locked key usable.
func (s *SecretKeys) unlock(key *packet.PrivateKey) error {
	if !key.Encrypted {
		return nil
	}
	what := "OpenPGP key " + fingerprint(&key.PublicKey)
	passphrase, err := s.ask(what)
	if err != nil {
		return &LockedError{err}
	}
	if err := key.Decrypt(passphrase); err != nil {
		return &LockedError{fmt.Errorf("%s: wrong passphrase", what)}
	}
	return nil
}
