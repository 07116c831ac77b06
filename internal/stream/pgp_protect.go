package stream

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha1"
	"hash"
	"io"
)

// protectedMessage writes the data of a message: literal data inside integrity-
// protected data. The library can write the same, at little more than half the
// speed and through many short-lived buffers, for which the pusher has no memory
// to spare.
type protectedMessage struct {
	outer, literal *packetWriter
	cipher         *cipherWriter
}

// protect begins to write protected data to w, encrypted with AES and the key.
func protect(w io.Writer, key []byte) (*protectedMessage, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	m := &protectedMessage{outer: newPacketWriter(w, tagProtected)}
	if _, err := m.outer.Write([]byte{1}); err != nil { // version
		return nil, err
	}
	m.cipher = &cipherWriter{w: m.outer, sum: sha1.New(), buf: make([]byte, pieceSize)}
	//lint:ignore SA1019 OpenPGP has no other mode that all of gpg reads; what CFB lacks, the SHA-1 is for.
	m.cipher.stream = cipher.NewCFBEncrypter(block, make([]byte, aes.BlockSize))
	// Noise takes the part of an initialization vector; its last two bytes come
	// twice.
	noise := make([]byte, aes.BlockSize, aes.BlockSize+2)
	rand.Read(noise) // never fails
	if _, err := m.cipher.Write(append(noise, noise[aes.BlockSize-2:]...)); err != nil {
		return nil, err
	}
	m.literal = newPacketWriter(m.cipher, tagLiteral)
	_, err = m.literal.Write([]byte{'b', 0, 0, 0, 0, 0}) // binary, no name, no time
	return m, err
}

// Write implements io.Writer.
func (m *protectedMessage) Write(p []byte) (int, error) { return m.literal.Write(p) }

// Close implements io.Closer.
func (m *protectedMessage) Close() error {
	if err := m.literal.Close(); err != nil {
		return err
	}
	if _, err := m.cipher.Write([]byte{packetBit | newFormatBit | tagChecksum, sha1.Size}); err != nil {
		return err
	}
	if _, err := m.cipher.Write(m.cipher.sum.Sum(nil)); err != nil {
		return err
	}
	return m.outer.Close()
}

// cipherWriter encrypts what it writes to w, and sums it before.
type cipherWriter struct {
	w      io.Writer
	stream cipher.Stream
	sum    hash.Hash
	buf    []byte
}

func (c *cipherWriter) Write(p []byte) (written int, err error) {
	c.sum.Write(p)
	for len(p) > 0 && err == nil {
		n := min(len(p), len(c.buf))
		c.stream.XORKeyStream(c.buf[:n], p[:n])
		_, err = c.w.Write(c.buf[:n])
		p, written = p[n:], written+n
	}
	return written, err
}

// packetWriter writes a packet whose length is not known before, in pieces of
// pieceSize and what is left.
type packetWriter struct {
	w     io.Writer
	head  []byte // what comes before the next piece: the tag, before the first
	piece []byte
}

func newPacketWriter(w io.Writer, tag byte) *packetWriter {
	return &packetWriter{w: w, head: []byte{packetBit | newFormatBit | tag}, piece: make([]byte, 0, pieceSize)}
}

// Write implements io.Writer.
func (p *packetWriter) Write(b []byte) (written int, err error) {
	for len(b) > 0 {
		if len(p.piece) == cap(p.piece) { // not earlier: the last piece has another header
			if err := p.flush(224 + pieceBits); err != nil {
				return written, err
			}
		}
		n := min(len(b), cap(p.piece)-len(p.piece))
		p.piece = append(p.piece, b[:n]...)
		b, written = b[n:], written+n
	}
	return written, nil
}

// Close implements io.Closer.
func (p *packetWriter) Close() error {
	n := len(p.piece)
	return p.flush(255, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

func (p *packetWriter) flush(length ...byte) error {
	if _, err := p.w.Write(append(p.head, length...)); err != nil {
		return err
	}
	_, err := p.w.Write(p.piece)
	p.head, p.piece = p.head[:0], p.piece[:0]
	return err
}
