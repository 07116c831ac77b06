// Package sshca is a certificate authority for SSH: it signs short-lived user
// certificates that let a host write to an SFTP server which trusts the
// authority, and run nothing else there. It knows no broker, no vault and no
// network.
//
// A certificate is OpenSSH's (PROTOCOL.certkeys): it names who may log in, until
// when, from where, and the one command that runs instead of a shell.
package sshca

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/holdfast-backup/holdfast/internal/secret"
)

// DefaultCommand is what a certificate lets its bearer run where nothing else is
// said: OpenSSH's own SFTP server, which refuses what renames, removes, links or
// changes modes. Package vault/sftp makes its files there read-only as it makes
// them, so that they can't be written over either: docs/sftp.md.
const DefaultCommand = "internal-sftp -u 0007 -P remove,rmdir,rename,posix-rename,hardlink,symlink,setstat,fsetstat,lsetstat"

// defaultLife is how long a certificate can be used to log in where nothing else
// is said. Connections that stand when it ends go on.
const defaultLife = 10 * time.Minute

// maxLife bounds what a configuration can ask for: a certificate cannot be
// called back.
const maxLife = 24 * time.Hour

// skew is how far the clock of the SFTP server may be behind the authority's.
const skew = time.Minute

// Options say what certificates allow.
type Options struct {
	// Principal is the user that may be logged in as.
	Principal string
	// Command runs instead of whatever the bearer asks for. {host} stands for the
	// host's name. It must begin with internal-sftp. Default DefaultCommand.
	Command string
	// Life is how long a certificate is good for. Default 10 minutes.
	Life time.Duration
}

// Authority signs certificates. It is safe for concurrent use.
type Authority struct {
	signer  ssh.Signer
	options Options
}

// New returns the authority whose private key, in OpenSSH's format and without a
// passphrase, is key. Errors do not quote it.
func New(key secret.Secret, o Options) (*Authority, error) {
	// A certificate that RSA signed with SHA-1 is refused by present servers, so
	// only what has one algorithm is taken.
	signer, err := ssh.ParsePrivateKey([]byte(key.Reveal()))
	switch missing := (*ssh.PassphraseMissingError)(nil); {
	case errors.As(err, &missing):
		return nil, errors.New("certificate authority: its key has a passphrase, want one without")
	case err != nil:
		return nil, errors.New("certificate authority: not a private key in OpenSSH's format")
	case signer.PublicKey().Type() != ssh.KeyAlgoED25519:
		return nil, fmt.Errorf("certificate authority: a key of type %s, want ssh-ed25519", signer.PublicKey().Type())
	}
	if o.Principal == "" {
		return nil, errors.New("certificate authority: names no user to log in as")
	}
	if o.Command == "" {
		o.Command = DefaultCommand
	}
	if err := CheckCommand(o.Command); err != nil {
		return nil, fmt.Errorf("certificate authority: command: %w", err)
	}
	if o.Life == 0 {
		o.Life = defaultLife
	}
	if err := CheckLife(o.Life); err != nil {
		return nil, fmt.Errorf("certificate authority: certificates for %s: %w", o.Life, err)
	}
	return &Authority{signer, o}, nil
}

// CheckCommand returns an error for a command that is not OpenSSH's built-in SFTP
// server: sshd runs any other by a shell.
func CheckCommand(command string) error {
	if program, _, _ := strings.Cut(command, " "); program != "internal-sftp" {
		return fmt.Errorf("%q: want internal-sftp, and options of sftp-server if any", program)
	}
	if strings.ContainsFunc(command, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return errors.New("want one line")
	}
	return nil
}

// CheckLife returns an error for a length of time that certificates must not be
// good for.
func CheckLife(life time.Duration) error {
	if life < time.Minute || life > maxLife {
		return errors.New("want 1m to 24h")
	}
	return nil
}

// PublicKey returns the line that a server's TrustedUserCAKeys file has to have.
func (a *Authority) PublicKey() string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(a.signer.PublicKey())))
}

// Sign returns a certificate for the public key, one line as in an authorized_keys
// file, that the host may log in with from now on; where there are sources, from
// those addresses alone. The certificate is one line too.
func (a *Authority) Sign(host, public string, sources []netip.Prefix, now time.Time) (certificate string, expires time.Time, err error) {
	key, _, _, rest, err := ssh.ParseAuthorizedKey([]byte(public))
	if err != nil || len(rest) > 0 {
		return "", time.Time{}, errors.New("public key: want one line, such as ssh-ed25519 AAAA…")
	}
	if key.Type() != ssh.KeyAlgoED25519 {
		return "", time.Time{}, fmt.Errorf("public key: type %.32q, want ssh-ed25519", key.Type())
	}
	var serial [8]byte
	if _, err := rand.Read(serial[:]); err != nil {
		return "", time.Time{}, err
	}
	expires = now.Add(a.options.Life).Truncate(time.Second)
	cert := &ssh.Certificate{
		Key:             key,
		Serial:          binary.BigEndian.Uint64(serial[:]),
		CertType:        ssh.UserCert,
		KeyId:           "holdfast host " + host,
		ValidPrincipals: []string{a.options.Principal},
		ValidAfter:      uint64(now.Add(-skew).Unix()),
		ValidBefore:     uint64(expires.Unix()),
		// No extension: no terminal, no forwarding, no rc file.
		Permissions: ssh.Permissions{CriticalOptions: map[string]string{
			"force-command": strings.ReplaceAll(a.options.Command, "{host}", host),
		}},
	}
	if len(sources) > 0 {
		words := make([]string, len(sources))
		for i, source := range sources {
			words[i] = source.String()
		}
		cert.CriticalOptions["source-address"] = strings.Join(words, ",")
	}
	if err := cert.SignCert(rand.Reader, a.signer); err != nil {
		return "", time.Time{}, fmt.Errorf("sign certificate: %w", err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(cert))), expires, nil
}
