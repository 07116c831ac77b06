package config

import (
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/holdfast-backup/holdfast/internal/secret"
)

// EncryptTo says who can decrypt: in YAML a list of age recipients, `none`, or
// one of `{ openpgp: key.asc }` and `{ passphrase: file:… }`.
type EncryptTo struct {
	Recipients []string   // of age
	OpenPGP    []string   // paths of public keys
	Passphrase secret.Ref // of age
	None       bool       // was spelled out
}

func (e *EncryptTo) decodeNode(d *document, n ast.Node, path string) {
	switch list := n.(type) {
	case *ast.SequenceNode:
		e.recipients(d, list, path)
	case *ast.MappingNode:
		e.other(d, list, path)
	default:
		// A single recipient without brackets is refused too: one word must not
		// be able to turn from a recipient into none by a slip.
		if text, ok := scalar(n); !ok || text != "none" {
			d.errorf(path, "want a list of age recipients, [age1…], or { openpgp: key.asc }, { passphrase: file:… }, or none")
			return
		}
		e.None = true
	}
}

func (e *EncryptTo) recipients(d *document, list *ast.SequenceNode, path string) {
	for i, item := range list.Values {
		text, ok := d.text(item, path)
		switch {
		case !ok:
		case text == "none":
			d.errorf(path, "none stands alone: encrypt_to: none")
		case strings.HasPrefix(strings.ToUpper(text), "AGE-SECRET-KEY-"):
			d.errorf(path, "item %d is a private key; it belongs off this host, here goes the public one (age1…)", i+1)
		default:
			e.Recipients = append(e.Recipients, text)
		}
	}
	if len(e.Recipients) == 0 {
		d.errorf(path, "is empty; want age recipients, or none to store backups unencrypted")
	}
}

// otherEncryption is what encrypt_to can be in place of a list.
type otherEncryption struct {
	// Path of an OpenPGP public key, armored or not, or a list of them. A relative path is relative to this
	// file. Keys of RSA or elliptic curves that gpg 2.2 knows. From the day that a key expires backups fail;
	// `pusher doctor` tells a month before.
	OpenPGP Paths `yaml:"openpgp"`
	// A passphrase that age derives the key from, by reference. Who holds it can also decrypt, so what
	// this host knows opens its backups; public keys are better. At least 20 characters of ASCII in one
	// line, such as `openssl rand -base64 24` prints.
	Passphrase secret.Ref `yaml:"passphrase"`
}

// Paths is a path or a list of them.
type Paths []string

func (p *Paths) decodeNode(d *document, n ast.Node, path string) {
	if text, ok := scalar(n); ok {
		*p = Paths{d.resolve(path, text)}
		return
	}
	var list []string
	decodeInto(d, &list, n, path)
	for i, text := range list {
		*p = append(*p, d.resolve(index(path, i), text))
	}
	if len(*p) == 0 {
		d.errorf(path, "is empty; want the path of a public key")
	}
}

func (e *EncryptTo) other(d *document, n *ast.MappingNode, path string) {
	var other otherEncryption
	decodeInto(d, &other, n, path)
	e.OpenPGP, e.Passphrase = other.OpenPGP, other.Passphrase
	switch {
	case len(e.OpenPGP) > 0 && e.Passphrase != "":
		d.errorf(path, "is openpgp and passphrase at once, want one of them")
	case len(e.OpenPGP) == 0 && e.Passphrase == "" && !d.broken(path):
		d.errorf(path, "names no kind of encryption, want openpgp or passphrase")
	}
}
