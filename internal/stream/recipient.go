package stream

import (
	"io"
	"slices"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// Recipients are who can decrypt a stream: age recipients, OpenPGP keys, or who
// knows a passphrase. The zero Recipients stand for no encryption. Safe for
// concurrent use.
type Recipients struct {
	format  string // of holdfast.Encryption
	names   []string
	expires []time.Time // of names; nil where none of them does
	// seal returns a writer that encrypts to w. Closing it finishes what is
	// written and does not close w.
	seal func(w io.Writer) (io.WriteCloser, error)
}

// None reports whether nothing is encrypted.
func (r Recipients) None() bool { return r.seal == nil }

// Names returns the recipients as the manifest names them.
func (r Recipients) Names() []string { return slices.Clone(r.names) }

// Expires returns until when backups can be encrypted to each of Names; the zero
// time is for ever.
func (r Recipients) Expires() []time.Time {
	if r.expires == nil {
		return make([]time.Time, len(r.names))
	}
	return slices.Clone(r.expires)
}

// Encryption returns how a manifest describes what is encrypted to them.
func (r Recipients) Encryption() holdfast.Encryption {
	if r.None() {
		return holdfast.Encryption{Format: holdfast.EncryptionNone}
	}
	return holdfast.Encryption{Format: r.format, Recipients: r.Names()}
}

func (r Recipients) extension() string {
	return map[string]string{holdfast.EncryptionAge: ".age", holdfast.EncryptionOpenPGP: ".gpg"}[r.format]
}
