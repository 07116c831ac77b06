package stream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// PublicKey is an OpenPGP key that can be encrypted to.
type PublicKey struct {
	// Name is its fingerprint and, behind a slash, that of the subkey that
	// encrypts, if that is another: 40 upper-case hexadecimal digits each.
	Name string
	// Expires is when it can be encrypted to no more; zero is never. What is
	// encrypted to it by then can be decrypted after it.
	Expires time.Time

	to *packet.PublicKey
}

// ReadPublicKeys reads the OpenPGP public keys in the files, armored or not; all
// keys of a file count. A key is refused that cannot be encrypted to now, or that
// gpg 2.2 would not decrypt with. No error quotes from a file, which may hold a
// private key by mistake.
func ReadPublicKeys(paths []string, now time.Time) ([]PublicKey, error) {
	var keys []PublicKey
	for _, path := range paths {
		data, err := readKeyFile(path)
		if err != nil {
			return nil, fmt.Errorf("read OpenPGP key: %w", err)
		}
		found, err := parsePublicKeys(data, now)
		if err != nil {
			return nil, fmt.Errorf("OpenPGP key file %q: %w", path, err)
		}
		keys = append(keys, found...)
	}
	return keys, nil
}

// maxKeyFile is the largest key file that is read, in bytes: keys that many have
// signed are large.
const maxKeyFile = 1 << 20

func readKeyFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err == nil && len(data) > maxKeyFile {
		err = fmt.Errorf("%q is larger than %d bytes", path, maxKeyFile)
	}
	return data, err
}

func parsePublicKeys(data []byte, now time.Time) ([]PublicKey, error) {
	packets, err := unarmor(data)
	if err != nil {
		return nil, err
	}
	if packets.private {
		return nil, errors.New("holds a private key; it belongs off this host, here goes the public one (gpg --export)")
	}
	var keys []PublicKey
	for r := packet.NewReader(bytes.NewReader(packets.data)); ; {
		entity, err := openpgp.ReadEntity(r)
		switch {
		case err == io.EOF && len(keys) > 0:
			return keys, nil
		case err == io.EOF:
			return nil, errNoKey
		case err != nil:
			return nil, errors.New("is damaged, or of a kind that is not known")
		}
		key, err := publicKey(entity, now)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", fingerprint(entity.PrimaryKey), err)
		}
		keys = append(keys, key)
	}
}

var (
	errExpired = errors.New("has expired")
	errRevoked = errors.New("is revoked")
)

// publicKey returns the key with the subkey that gpg would take too: the newest
// that may encrypt now.
func publicKey(entity *openpgp.Entity, now time.Time) (PublicKey, error) {
	switch _, err := entity.VerifyPrimaryKey(now, nil); {
	case entity.PrimaryKey.CreationTime.After(now):
		return PublicKey{}, errors.New("was made later than it is by this host's clock")
	case errors.Is(err, pgperrors.ErrKeyRevoked):
		return PublicKey{}, errRevoked
	case errors.Is(err, pgperrors.ErrKeyExpired):
		return PublicKey{}, errExpired
	case err != nil:
		return PublicKey{}, errors.New("is not signed by itself as it has to be")
	}
	key, ok := entity.EncryptionKey(now, nil)
	if !ok {
		return PublicKey{}, whyNoEncryption(entity, now)
	}
	switch key.PublicKey.PubKeyAlgo {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSAEncryptOnly, packet.PubKeyAlgoECDH:
	default:
		return PublicKey{}, errors.New("encrypts in a way that gpg 2.2 cannot read, want an RSA or an ECDH (cv25519) key")
	}
	if key.PublicKey.Version != 4 {
		return PublicKey{}, fmt.Errorf("is of version %d, which gpg cannot read, want 4", key.PublicKey.Version)
	}
	name := fingerprint(entity.PrimaryKey)
	if key.PublicKey != entity.PrimaryKey {
		name += "/" + fingerprint(key.PublicKey)
	}
	return PublicKey{Name: name, Expires: expires(key, now), to: key.PublicKey}, nil
}

// whyNoEncryption says why a key that is good by itself cannot be encrypted to.
func whyNoEncryption(entity *openpgp.Entity, now time.Time) error {
	why := errors.New("has no subkey that encrypts, or one too weak to use")
	for _, subkey := range entity.Subkeys {
		switch _, err := subkey.Verify(now, nil); {
		case !subkey.PublicKey.PubKeyAlgo.CanEncrypt():
		case errors.Is(err, pgperrors.ErrKeyRevoked):
			why = fmt.Errorf("the subkey that encrypts %w", errRevoked)
		case errors.Is(err, pgperrors.ErrKeyExpired):
			return fmt.Errorf("the subkey that encrypts %w", errExpired)
		}
	}
	return why
}

// expires returns the earliest time at which one of the signatures that make the
// key usable says that it is over.
func expires(key openpgp.Key, now time.Time) (earliest time.Time) {
	until := func(from time.Time, seconds *uint32) {
		if seconds == nil || *seconds == 0 {
			return
		}
		if end := from.Add(time.Duration(*seconds) * time.Second); earliest.IsZero() || end.Before(earliest) {
			earliest = end
		}
	}
	signed := func(by *packet.Signature, of *packet.PublicKey) {
		until(of.CreationTime, by.KeyLifetimeSecs)
		until(by.CreationTime, by.SigLifetimeSecs)
	}
	signed(key.PrimarySelfSignature, key.Entity.PrimaryKey)
	signed(key.SelfSignature, key.PublicKey)
	if direct, err := key.Entity.LatestValidDirectSignature(now, nil); err == nil {
		until(key.Entity.PrimaryKey.CreationTime, direct.KeyLifetimeSecs)
	}
	return earliest.UTC()
}

func fingerprint(key *packet.PublicKey) string { return fmt.Sprintf("%X", key.Fingerprint) }
