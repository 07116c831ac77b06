package sftp

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// families are the algorithms of host keys that are accepted, by kind of key, the
// best first. Those that sign with SHA-1 are not among them.
var families = [][]string{
	{ssh.KeyAlgoED25519},
	{ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521},
	{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256},
}

// pins are what a server may prove itself with.
type pins struct {
	// offers are the lists of algorithms to ask for, one list for each attempt: a
	// server shows one key, of the kind that is asked for. A fingerprint does not say
	// of which kind its key is, so each is asked for in turn.
	offers [][]string
	// check returns an error unless the key is pinned.
	check ssh.HostKeyCallback
}

func newPins(o Options, addr string) (pins, error) {
	if len(o.HostKeys) == 0 && o.KnownHosts == "" {
		return pins{}, errors.New("no host key given: anybody could pass for the server")
	}
	if o.KnownHosts != "" {
		return knownPins(o.KnownHosts, addr)
	}
	var keys []ssh.PublicKey
	var prints []string
	for _, text := range o.HostKeys {
		if strings.HasPrefix(text, "SHA256:") {
			prints = append(prints, text)
			continue
		}
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text))
		if err != nil {
			return pins{}, errors.New("host key: want a fingerprint (SHA256:…) or a public key (ssh-ed25519 AAAA…)")
		}
		keys = append(keys, key)
	}
	p := pins{check: func(_ string, _ net.Addr, shown ssh.PublicKey) error {
		print := ssh.FingerprintSHA256(shown)
		same := func(key ssh.PublicKey) bool { return bytes.Equal(key.Marshal(), shown.Marshal()) }
		if slices.Contains(prints, print) || slices.ContainsFunc(keys, same) {
			return nil
		}
		return wrongKey(shown)
	}}
	if len(prints) > 0 {
		p.offers = families
		return p, nil
	}
	for _, key := range keys {
		p.add(key.Type())
	}
	if len(p.offers) == 0 {
		return pins{}, errors.New("host key: none of a kind that is safe to use")
	}
	return p, nil
}

func wrongKey(shown ssh.PublicKey) error {
	return fmt.Errorf("%w: it shows %s %s", ErrHostKey, shown.Type(), ssh.FingerprintSHA256(shown))
}

// add asks for keys of that type too, in the first attempt.
func (p *pins) add(keyType string) {
	algorithms := []string{keyType}
	if keyType == ssh.KeyAlgoRSA {
		algorithms = families[2]
	}
	known := slices.ContainsFunc(families, func(f []string) bool { return slices.Contains(f, algorithms[0]) })
	if !known {
		return
	}
	if len(p.offers) == 0 {
		p.offers = [][]string{nil}
	}
	for _, a := range algorithms {
		if !slices.Contains(p.offers[0], a) {
			p.offers[0] = append(p.offers[0], a)
		}
	}
}

// knownPins reads a known_hosts file. Certificates of hosts are not asked for, so what
// it says of authorities is of no use.
func knownPins(file, addr string) (pins, error) {
	check, err := knownhosts.New(file)
	if err != nil {
		return pins{}, fmt.Errorf("read known hosts: %w", err)
	}
	// The package tells which keys it knows by refusing one that it can't know.
	nobody, err := ssh.NewPublicKey(make(ed25519.PublicKey, ed25519.PublicKeySize))
	if err != nil {
		return pins{}, err
	}
	var unknown *knownhosts.KeyError
	if err := check(addr, noAddr{}, nobody); !errors.As(err, &unknown) || len(unknown.Want) == 0 {
		return pins{}, fmt.Errorf("known hosts %q: has no key of %s", file, knownhosts.Normalize(addr))
	}
	p := pins{check: func(host string, remote net.Addr, shown ssh.PublicKey) error {
		if err := check(host, remote, shown); err != nil {
			return wrongKey(shown)
		}
		return nil
	}}
	for _, known := range unknown.Want {
		p.add(known.Key.Type())
	}
	if len(p.offers) == 0 {
		return pins{}, fmt.Errorf("known hosts %q: has no key of %s that is safe to use", file, knownhosts.Normalize(addr))
	}
	return p, nil
}

// noAddr is the address of nobody.
type noAddr struct{}

func (noAddr) Network() string { return "tcp" }
func (noAddr) String() string  { return "0.0.0.0:0" }
