package stream

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// keyPackets are the packets of a key file.
type keyPackets struct {
	data    []byte
	private bool // a private key is among them
}

var errNoKey = errors.New("holds no OpenPGP key")

// IsOpenPGP reports whether data looks like a file of OpenPGP keys, armored or
// not, public or private.
func IsOpenPGP(data []byte) bool {
	return bytes.Contains(data, []byte("-----BEGIN PGP ")) || len(data) > 0 && data[0]&packetBit != 0
}

// unarmor returns what is in all the armored blocks of data, or data itself where
// it is not armored.
func unarmor(data []byte) (keyPackets, error) {
	if len(data) > 0 && data[0]&packetBit != 0 {
		tag := data[0] & 0x3f
		if data[0]&newFormatBit == 0 {
			tag >>= 2
		}
		return keyPackets{data, tag == tagSecretKey || tag == tagSecretSubkey}, nil
	}
	var all keyPackets
	for r := bufio.NewReader(bytes.NewReader(data)); ; {
		block, err := armor.Decode(r) // keeps to r as it is buffered
		switch {
		case err == io.EOF && len(all.data) > 0:
			return all, nil
		case err != nil:
			return keyPackets{}, errNoKey
		case block.Type != openpgp.PublicKeyType && block.Type != openpgp.PrivateKeyType:
			return keyPackets{}, errNoKey
		}
		packets, err := io.ReadAll(block.Body)
		if err != nil {
			return keyPackets{}, errors.New("has armor that is damaged")
		}
		all.data = append(all.data, packets...)
		all.private = all.private || block.Type == openpgp.PrivateKeyType
	}
}
