package restore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"
	"golang.org/x/crypto/ssh"

	"github.com/holdfast-backup/holdfast/internal/stream"
)

// maxIdentityFile is the largest identity file that is read, in bytes.
const maxIdentityFile = 1 << 20

// IdentityOptions says how identities are loaded.
type IdentityOptions struct {
	// Passphrase asks a person for the passphrase of what the text names. Nil:
	// what needs one is an error.
	Passphrase func(what string) ([]byte, error)
	// Warn, if set, is called for a file that others can read.
	Warn func(text string)
}

func (o IdentityOptions) passphrase(what string) ([]byte, error) {
	if o.Passphrase == nil {
		return nil, fmt.Errorf("%s needs a passphrase, and nobody is there to be asked", what)
	}
	return o.Passphrase(what)
}

// LoadIdentities reads the private keys in the files: age identity files, such
// as age-keygen makes, these encrypted with a passphrase (age -p), ssh-ed25519
// private keys, and OpenPGP secret keys, armored or not. The passphrase of an SSH
// or OpenPGP key is asked for only when a backup is encrypted to it. No error
// quotes from a file.
func LoadIdentities(paths []string, o IdentityOptions) (stream.Identities, error) {
	var all stream.Identities
	for _, path := range paths {
		content, err := readIdentityFile(path, o)
		if err == nil && stream.IsOpenPGP(content) {
			var keys *stream.SecretKeys
			keys, err = stream.ParseSecretKeys(content, o.passphrase)
			all.OpenPGP = append(all.OpenPGP, keys)
		} else if err == nil {
			var found []age.Identity
			found, err = ageIdentities(content, path, o)
			all.Age = append(all.Age, found...)
		}
		if err != nil {
			return stream.Identities{}, fmt.Errorf("identity file %q: %w", path, err)
		}
	}
	return all, nil
}

func ageIdentities(content []byte, path string, o IdentityOptions) ([]age.Identity, error) {
	trimmed := bytes.TrimSpace(content)
	switch {
	case bytes.HasPrefix(trimmed, []byte(armor.Header)):
		return decryptIdentities(armor.NewReader(bytes.NewReader(content)), path, o)
	case bytes.HasPrefix(content, []byte("age-encryption.org/")):
		return decryptIdentities(bytes.NewReader(content), path, o)
	case bytes.HasPrefix(trimmed, []byte("-----BEGIN")):
		return sshIdentity(content, path, o)
	}
	return parseIdentities(bytes.NewReader(content))
}

func readIdentityFile(path string, o IdentityOptions) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, cause(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, cause(err)
	}
	if info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 && o.Warn != nil {
		o.Warn(fmt.Sprintf("identity file %q: mode %04o lets others in; it should be 0600", path, info.Mode().Perm()))
	}
	content, err := io.ReadAll(io.LimitReader(f, maxIdentityFile+1))
	if err != nil {
		return nil, cause(err)
	}
	if len(content) > maxIdentityFile {
		return nil, fmt.Errorf("larger than %d bytes", maxIdentityFile)
	}
	return content, nil
}

// cause drops the path that os repeats.
func cause(err error) error {
	if pathErr, ok := errors.AsType[*os.PathError](err); ok {
		return pathErr.Err
	}
	return err
}

// parseIdentities reads an age identity file. age's own messages name lines and
// not what stands in them.
func parseIdentities(r io.Reader) ([]age.Identity, error) {
	content, err := io.ReadAll(io.LimitReader(r, maxIdentityFile))
	if err != nil {
		return nil, err
	}
	for line := range bytes.Lines(content) {
		if bytes.HasPrefix(line, []byte("age1")) {
			return nil, errors.New("holds a public key (age1…), want the private one (AGE-SECRET-KEY-1…)")
		}
	}
	return age.ParseIdentities(bytes.NewReader(content))
}

// decryptIdentities opens an identity file that is encrypted with a passphrase.
func decryptIdentities(r io.Reader, path string, o IdentityOptions) ([]age.Identity, error) {
	identity := &passphraseIdentity{what: fmt.Sprintf("identity file %q", path), options: o}
	plain, err := age.Decrypt(r, identity)
	if err != nil {
		var noMatch *age.NoIdentityMatchError
		if errors.As(err, &noMatch) {
			if slices.Contains(noMatch.StanzaTypes, "scrypt") {
				return nil, errors.New("wrong passphrase")
			}
			return nil, errors.New("is encrypted, but not with a passphrase")
		}
		return nil, err
	}
	return parseIdentities(plain)
}

func sshIdentity(pem []byte, path string, o IdentityOptions) ([]age.Identity, error) {
	identity, err := agessh.ParseIdentity(pem)
	if missing, ok := errors.AsType[*ssh.PassphraseMissingError](err); ok {
		if missing.PublicKey == nil {
			return nil, errors.New("is encrypted in the old PEM form, which does not say whose key it is; ssh-keygen -p rewrites it")
		}
		identity, err := agessh.NewEncryptedSSHIdentity(missing.PublicKey, pem, func() ([]byte, error) {
			return o.passphrase(fmt.Sprintf("SSH key %q", path))
		})
		if err != nil {
			return nil, errors.New("not an ssh-ed25519 or ssh-rsa key")
		}
		return []age.Identity{locked{identity}}, nil
	}
	if err != nil {
		return nil, errors.New("neither an age identity, nor an SSH private key that age can use, nor an OpenPGP secret key")
	}
	return []age.Identity{identity}, nil
}

// locked is an SSH key with a passphrase. Where the key fits, all that can go
// wrong is that.
type locked struct{ age.Identity }

// Unwrap implements age.Identity.
func (l locked) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	key, err := l.Identity.Unwrap(stanzas)
	if err != nil && !errors.Is(err, age.ErrIncorrectIdentity) {
		err = &stream.LockedError{Err: err}
	}
	return key, err
}

// maxWorkFactor is the logarithm of the most work that is done to try the
// passphrase of a backup, and so of the memory: 2^18 take 256 MiB. Neither the
// pusher nor age ask for more; a hostile host might, of whoever restores.
const maxWorkFactor = 18

// passphraseIdentity decrypts what is encrypted with a passphrase instead of to a
// key: backups, and identity files. It asks once, when it meets the first of them.
type passphraseIdentity struct {
	what     string
	most     int // logarithm of the work done for it; 0 is what age allows
	options  IdentityOptions
	identity *age.ScryptIdentity
}

// Unwrap implements age.Identity.
func (p *passphraseIdentity) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	if len(stanzas) != 1 || stanzas[0].Type != "scrypt" {
		return nil, age.ErrIncorrectIdentity
	}
	if p.identity == nil {
		passphrase, err := p.options.passphrase(p.what)
		if err != nil {
			return nil, &stream.LockedError{Err: err}
		}
		if p.identity, err = age.NewScryptIdentity(string(passphrase)); err != nil {
			return nil, &stream.LockedError{Err: err}
		}
		if p.most > 0 {
			p.identity.SetMaxWorkFactor(p.most)
		}
	}
	return p.identity.Unwrap(stanzas)
}
