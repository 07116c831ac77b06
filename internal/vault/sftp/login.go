package sftp

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

// login is how this side proves itself: by its key alone, never by a password.
type login struct {
	signer  ssh.Signer
	certify func(ctx context.Context, public string) (string, error)
}

// newLogin reads the key. Errors quote nothing of it.
func newLogin(o Options) (login, error) {
	signer, err := ssh.ParsePrivateKey([]byte(o.Key.Reveal()))
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		if o.Passphrase.IsZero() {
			return login{}, errors.New("the key has a passphrase, and none is given")
		}
		signer, err = ssh.ParsePrivateKeyWithPassphrase([]byte(o.Key.Reveal()), []byte(o.Passphrase.Reveal()))
		if errors.Is(err, x509.IncorrectPasswordError) {
			return login{}, errors.New("the key's passphrase is another one")
		}
	}
	if err != nil {
		return login{}, errors.New("the key is no private key in OpenSSH's format")
	}
	return login{signer, o.Certify}, nil
}

// auth returns what to log in with, with a fresh certificate where one is asked
// for.
func (l login) auth(ctx context.Context) (ssh.AuthMethod, error) {
	if l.certify == nil {
		return ssh.PublicKeys(l.signer), nil
	}
	public := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(l.signer.PublicKey())))
	line, err := l.certify(ctx, public)
	if err != nil {
		return nil, fmt.Errorf("get a certificate: %w", err)
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		return nil, errors.New("get a certificate: what came is none")
	}
	cert, ok := key.(*ssh.Certificate)
	if !ok {
		return nil, errors.New("get a certificate: what came is a plain key")
	}
	signer, err := ssh.NewCertSigner(cert, l.signer)
	if err != nil {
		return nil, errors.New("get a certificate: what came is for another key")
	}
	return ssh.PublicKeys(signer), nil
}
