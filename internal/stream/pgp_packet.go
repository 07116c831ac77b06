package stream

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// Tags of packets, and bits of the byte they stand in (RFC 4880, section 4.2).
const (
	tagSessionKey   = 1
	tagSecretKey    = 5
	tagSecretSubkey = 7
	tagCompressed   = 8
	tagUnprotected  = 9
	tagLiteral      = 11
	tagProtected    = 18
	tagChecksum     = 19
	tagAEAD         = 20

	packetBit    = 0x80
	newFormatBit = 0x40
)

// pieceSize is how long the pieces are that a packet is written in, in bytes, and
// how much of one is read at once.
const (
	pieceSize = 1 << pieceBits
	pieceBits = 16
)

// packetBody is what a packet holds, joined where it is stored in pieces. It ends
// with io.EOF only where the packet does.
type packetBody struct {
	from *bufio.Reader
	left int64 // bytes of the piece
	more bool  // another piece follows it
}

// nextPacket reads the header of a packet. io.EOF: there is none.
func nextPacket(from *bufio.Reader) (tag byte, body *packetBody, err error) {
	first, err := from.ReadByte()
	if err != nil {
		return 0, nil, err
	}
	body, tag = &packetBody{from: from}, first>>2&0xf
	switch {
	case first&packetBit == 0:
		return 0, nil, errors.New("no OpenPGP packet where one has to be")
	case first&newFormatBit != 0:
		return first &^ (packetBit | newFormatBit), body, body.length()
	case first&3 == 3:
		return tag, nil, errors.New("an OpenPGP packet without a length")
	}
	var size [8]byte
	_, err = io.ReadFull(from, size[8-1<<(first&3):])
	body.left = int64(binary.BigEndian.Uint64(size[:]))
	return tag, body, cutShort(err)
}

// length reads the length of the next piece, of which there is at least one.
func (b *packetBody) length() error {
	first, err := b.from.ReadByte()
	if err != nil {
		return cutShort(err)
	}
	b.more = false
	switch {
	case first < 192:
		b.left = int64(first)
	case first < 224:
		second, err := b.from.ReadByte()
		b.left = int64(first-192)<<8 + int64(second) + 192
		return cutShort(err)
	case first < 255:
		b.left, b.more = 1<<(first&0x1f), true
	default:
		var size [4]byte
		_, err := io.ReadFull(b.from, size[:])
		b.left = int64(binary.BigEndian.Uint32(size[:]))
		return cutShort(err)
	}
	return nil
}

// Read implements io.Reader.
func (b *packetBody) Read(p []byte) (int, error) {
	for b.left == 0 {
		if !b.more {
			return 0, io.EOF
		}
		if err := b.length(); err != nil {
			return 0, err
		}
	}
	n, err := b.from.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, cutShort(err)
}

// small returns the whole content of a packet that has to be stored in one piece
// of at most most bytes.
func (b *packetBody) small(most int64) ([]byte, error) {
	if b.more || b.left > most {
		return nil, errors.New("an OpenPGP packet that is too large")
	}
	p := make([]byte, b.left)
	_, err := io.ReadFull(b, p)
	return p, cutShort(err)
}

// cutShort is err, but that the end of the file is none of a packet.
func cutShort(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
