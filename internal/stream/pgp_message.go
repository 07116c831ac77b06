package stream

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/holdfast-backup/holdfast"
)

// An OpenPGP message as it is written here, and the only kind that is read:
//
//	session key, encrypted to a recipient      tag 1, one for each
//	integrity-protected data, AES-256          tag 18, version 1 (RFC 4880, section 5.13)
//	    literal data: the stream               tag 11
//	    its SHA-1, which proves it whole       tag 19
//
// gpg 2.2 decrypts it without options. Messages with AEAD are not written: gpg
// and RFC 9580 have two kinds of them, and neither reads the other's. What else
// gpg may write, compressed or signed data, is not read: the stream is compressed
// before, and each packet fewer is one fewer for a hostile host to play with.

// OpenPGP returns the keys as recipients, without repetitions.
func OpenPGP(keys ...PublicKey) (Recipients, error) {
	all := Recipients{format: holdfast.EncryptionOpenPGP}
	var to []*packet.PublicKey
	for _, key := range keys {
		if !slices.Contains(all.names, key.Name) {
			all.names, all.expires, to = append(all.names, key.Name), append(all.expires, key.Expires), append(to, key.to)
		}
	}
	if len(to) == 0 {
		return Recipients{}, errors.New("OpenPGP recipients: none given")
	}
	all.seal = func(w io.Writer) (io.WriteCloser, error) { return sealMessage(w, to) }
	return all, nil
}

func sealMessage(w io.Writer, to []*packet.PublicKey) (io.WriteCloser, error) {
	session := make([]byte, packet.CipherAES256.KeySize())
	rand.Read(session) // never fails
	for _, key := range to {
		if err := packet.SerializeEncryptedKeyAEAD(w, key, packet.CipherAES256, false, session, nil); err != nil {
			return nil, err
		}
	}
	return protect(w, session)
}

// session is the key of one message.
type session struct {
	cipher packet.CipherFunction
	key    []byte
}

// openedMessage reads the stream out of a message. It ends with io.EOF only where
// the message is proven whole and nothing follows it.
type openedMessage struct {
	stored  *bufio.Reader
	sealed  io.ReadCloser // decrypts, and compares the SHA-1 when closed
	inner   *bufio.Reader // of sealed
	literal *packetBody
	err     error
}

// openMessage returns the stream in the message r, which the manifest says is
// encrypted to recipients. ErrNoIdentity if none of the keys is one of them.
func openMessage(r io.Reader, recipients []string, keys []*SecretKeys) (io.Reader, error) {
	m := &openedMessage{stored: bufio.NewReaderSize(r, pieceSize)}
	envelopes, body, err := readEnvelopes(m.stored)
	if err != nil {
		return nil, err
	}
	session, err := openEnvelope(envelopes, recipients, keys)
	if err != nil {
		return nil, err
	}
	var version [1]byte
	if _, err := io.ReadFull(body, version[:]); err != nil {
		return nil, cutShort(err)
	}
	if version[0] != 1 {
		return nil, fmt.Errorf("OpenPGP data protected in the unknown way %d, want 1", version[0])
	}
	protected := packet.SymmetricallyEncrypted{Version: 1, IntegrityProtected: true, Contents: body}
	if m.sealed, err = protected.Decrypt(session.cipher, session.key); err != nil {
		return nil, err
	}
	m.inner = bufio.NewReaderSize(m.sealed, pieceSize)
	if m.literal, err = readLiteral(m.inner); err != nil {
		return nil, err
	}
	return m, nil
}

// readLiteral reads the header of literal data, which names a file and a time
// that do not matter.
func readLiteral(from *bufio.Reader) (*packetBody, error) {
	tag, body, err := nextPacket(from)
	switch {
	case tag == tagCompressed: // which gpg writes without a length
		return nil, errors.New("OpenPGP data is compressed inside the encryption")
	case err != nil:
		return nil, cutShort(err)
	case tag != tagLiteral:
		return nil, fmt.Errorf("OpenPGP packet of type %d inside the encryption, want %d", tag, tagLiteral)
	}
	var head [2]byte // format, length of the name
	if _, err := io.ReadFull(body, head[:]); err != nil {
		return nil, cutShort(err)
	}
	if head[0] != 'b' {
		return nil, errors.New("OpenPGP data is marked as text, want binary")
	}
	_, err = io.CopyN(io.Discard, body, int64(head[1])+4) // name, time
	return body, cutShort(err)
}

// Read implements io.Reader.
func (m *openedMessage) Read(p []byte) (int, error) {
	if m.err != nil {
		return 0, m.err
	}
	n, err := m.literal.Read(p)
	if err == io.EOF {
		err = m.finish()
	}
	m.err = err
	return n, err
}

// finish returns io.EOF if the message is proven.
func (m *openedMessage) finish() error {
	if err := nothingLeft(m.inner); err != nil {
		return fmt.Errorf("OpenPGP data inside the encryption: %w", err)
	}
	if m.sealed.Close() != nil {
		return errors.New("OpenPGP data has been changed: its SHA-1 differs")
	}
	if err := nothingLeft(m.stored); err != nil {
		return fmt.Errorf("OpenPGP message: %w", err)
	}
	return io.EOF
}

func nothingLeft(r *bufio.Reader) error {
	switch _, err := r.ReadByte(); err {
	case io.EOF:
		return nil
	case nil:
		return errors.New("something follows it")
	default:
		return err
	}
}

// maxEnvelope is the largest encrypted session key that is read, in bytes; one
// for RSA of 16,384 bits has 2,060.
const maxEnvelope = 4 << 10

// readEnvelopes reads the encrypted session keys and the header of the protected
// data behind them.
func readEnvelopes(from *bufio.Reader) ([]*packet.EncryptedKey, *packetBody, error) {
	var envelopes []*packet.EncryptedKey
	for n := 0; ; n++ {
		tag, body, err := nextPacket(from)
		switch {
		case err != nil:
			return nil, nil, cutShort(err)
		case tag == tagProtected:
			return envelopes, body, nil
		case tag == tagUnprotected:
			return nil, nil, errors.New("OpenPGP data is not protected against changes")
		case tag == tagAEAD:
			return nil, nil, errors.New("OpenPGP data is encrypted with AEAD, which is not read here")
		case tag != tagSessionKey:
			return nil, nil, fmt.Errorf("OpenPGP packet of type %d before the encrypted data", tag)
		case n == holdfast.MaxRecipients:
			return nil, nil, fmt.Errorf("more than %d OpenPGP recipients", holdfast.MaxRecipients)
		}
		content, err := body.small(maxEnvelope)
		if err != nil {
			return nil, nil, err
		}
		// The packet again, in the form with the most room for its length.
		header := binary.BigEndian.AppendUint32([]byte{packetBit | newFormatBit | tagSessionKey, 255}, uint32(len(content)))
		p, err := packet.Read(bytes.NewReader(append(header, content...)))
		if envelope, ok := p.(*packet.EncryptedKey); ok && err == nil && envelope.Version == 3 {
			envelopes = append(envelopes, envelope) // else it is of a kind that no key here is of
		}
	}
}

// openEnvelope decrypts the session key with one of the keys: if it can with one
// that is not locked. A key that cannot be unlocked is an error where no other fits.
func openEnvelope(envelopes []*packet.EncryptedKey, recipients []string, all []*SecretKeys) (session, error) {
	addressed := false // to one of the keys
	var locked error   // why the first of those that could not be unlocked could not
	for _, encrypted := range []bool{false, true} {
		for _, secrets := range all {
			for _, key := range secrets.keys {
				for _, envelope := range envelopes {
					if envelope.KeyId != key.KeyId || envelope.Algo != key.PubKeyAlgo || key.Encrypted != encrypted {
						continue
					}
					addressed = true
					if err := secrets.unlock(key); err != nil {
						locked = cmp.Or(locked, err)
						break // another envelope to it would ask again
					}
					if s, ok := decryptEnvelope(envelope, key); ok {
						return s, nil
					}
				}
			}
		}
	}
	if locked != nil {
		return session{}, locked
	}
	if addressed || slices.ContainsFunc(all, func(s *SecretKeys) bool { return s.among(recipients) }) {
		return session{}, errors.New("OpenPGP session key is damaged")
	}
	return session{}, ErrNoIdentity
}

func decryptEnvelope(envelope *packet.EncryptedKey, key *packet.PrivateKey) (session, bool) {
	if err := envelope.Decrypt(key, nil); err != nil {
		return session{}, false
	}
	s := session{envelope.CipherFunc, envelope.Key}
	switch s.cipher {
	case packet.CipherAES128, packet.CipherAES192, packet.CipherAES256:
		return s, len(s.key) == s.cipher.KeySize()
	}
	return session{}, false // of a kind that is not safe any more
}
