// Package stream turns a plain stream into what is stored and back: SHA-256 and
// count, compression, encryption by age or OpenPGP, SHA-256 and count again. What
// it writes is what `zstd`, `gzip`, `age` and `gpg` read, so that a restore needs
// nothing else. It does not cut streams into parts and knows nothing of vaults or
// networks.
package stream

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
)

// Compression methods.
const (
	Zstd = "zstd"
	Gzip = "gzip"
	None = "none"
)

// Options says how a stream is stored.
type Options struct {
	// Compression is zstd, gzip or none.
	Compression string
	// Level is 1 to 19 for zstd, 1 to 9 for gzip; 0 is 3 for zstd and 6 for gzip.
	Level int
	// Recipients can decrypt the stream. None: it is stored unencrypted.
	Recipients Recipients
}

// Check returns an error unless the compression is known and the level is one of its own.
func (o Options) Check() error {
	highest := map[string]int{Zstd: 19, Gzip: 9, None: 0}
	limit, ok := highest[o.Compression]
	if !ok {
		return fmt.Errorf("compression %q: want zstd, gzip or none", o.Compression)
	}
	if o.Level < 0 || o.Level > limit && o.Compression != None {
		return fmt.Errorf("%s level %d: want 1 to %d", o.Compression, o.Level, limit)
	}
	return nil
}

// Extension returns what the stored file's name has after the plain file's:
// ".zst.age", ".gz.gpg", "".
func (o Options) Extension() string {
	return map[string]string{Zstd: ".zst", Gzip: ".gz"}[o.Compression] + o.Recipients.extension()
}

// Sums describes a stream before and after.
type Sums struct {
	PlainSize    int64  // bytes
	PlainSHA256  string // lower-case hex
	StoredSize   int64  // bytes
	StoredSHA256 string // lower-case hex
}

// meter counts and sums what passes.
type meter struct {
	size int64
	hash hash.Hash
}

func newMeter() meter { return meter{hash: sha256.New()} }

func (m *meter) add(p []byte) {
	m.size += int64(len(p))
	m.hash.Write(p)
}

func (m *meter) sum() string { return hex.EncodeToString(m.hash.Sum(nil)) }
