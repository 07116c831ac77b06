package holdfast

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// ManifestFormat is the version of the manifest that this code writes. It reads
// this one and refuses those it does not know.
const ManifestFormat = 1

// MaxManifestSize bounds a manifest, in bytes: room for 10,000 parts of 16 streams.
const MaxManifestSize = 16 << 20

// MaxStreams is the most streams one backup can have.
const MaxStreams = 16

// Manifest is the commit record of a backup, written by the broker after all
// data, and never replaced. docs/manifest.md describes the file; the host's
// signature around it is internal/token's.
type Manifest struct {
	Format int `json:"format"`
	Ref
	Started      time.Time `json:"started"`       // by the broker's clock; the second in the id
	HostStarted  time.Time `json:"host_started"`  // by the host's clock
	HostFinished time.Time `json:"host_finished"` // by the host's clock
	Pusher       string    `json:"pusher"`        // its version
	Streams      []Stream  `json:"streams"`
	Restore      []string  `json:"restore"` // how to restore by hand, in words
}

// Stream describes one data object of a backup and the plain stream inside it.
type Stream struct {
	Name         string     `json:"name"`
	File         string     `json:"file"`       // of the data object, e.g. "crm.sql.zst.age"
	PlainFile    string     `json:"plain_file"` // e.g. "crm.sql"
	Source       Facts      `json:"source"`
	PlainSize    int64      `json:"plain_size"`    // bytes
	PlainSHA256  string     `json:"plain_sha256"`  // lower-case hex
	StoredSize   int64      `json:"stored_size"`   // bytes
	StoredSHA256 string     `json:"stored_sha256"` // lower-case hex
	Compression  string     `json:"compression"`   // zstd, gzip, none
	Encryption   Encryption `json:"encryption"`
	Checksum     string     `json:"checksum"` // algorithm of the parts' sums
	Parts        []Part     `json:"parts"`
}

// Encryption says how a data object is encrypted and who can decrypt it.
type Encryption struct {
	Format string `json:"format"` // EncryptionAge, …
	// Recipients are who it was encrypted to: of age the public keys, or
	// PassphraseRecipient alone; of OpenPGP the fingerprint of each key and,
	// behind a slash, that of the subkey that encrypts, if that is another.
	Recipients []string `json:"recipients,omitempty"`
}

// Formats of encryption, and the recipient where a passphrase is the key.
const (
	EncryptionAge     = "age"
	EncryptionOpenPGP = "openpgp"
	EncryptionNone    = "none"

	PassphraseRecipient = "passphrase"
)

// Passphrase reports whether it takes a passphrase to decrypt.
func (e Encryption) Passphrase() bool {
	return e.Format == EncryptionAge && len(e.Recipients) == 1 && e.Recipients[0] == PassphraseRecipient
}

// StoredSize returns the stored size of all streams together, in bytes.
func (m Manifest) StoredSize() (size int64) {
	for _, s := range m.Streams {
		size += s.StoredSize
	}
	return size
}

// PlainSize returns the size of all plain streams together, in bytes.
func (m Manifest) PlainSize() (size int64) {
	for _, s := range m.Streams {
		size += s.PlainSize
	}
	return size
}

// Stream returns the stream of that name.
func (m Manifest) Stream(name string) (Stream, bool) {
	for _, s := range m.Streams {
		if s.Name == name {
			return s, true
		}
	}
	return Stream{}, false
}

// DecodeManifest reads a manifest and checks it. An unknown field, a trailing
// byte or an unknown format is an error: what is not understood is not trusted.
// It takes memory of no more than a few times len(data), whatever data is.
func DecodeManifest(data []byte) (Manifest, error) {
	if len(data) > MaxManifestSize {
		return Manifest{}, fmt.Errorf("manifest: larger than %d bytes", MaxManifestSize)
	}
	if !json.Valid(data) {
		return Manifest{}, notManifest(json.Unmarshal(data, new(any)))
	}
	if err := checkShape(data); err != nil {
		return Manifest{}, notManifest(err)
	}
	var version struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(data, &version); err != nil {
		return Manifest{}, notManifest(err)
	}
	if version.Format != ManifestFormat {
		return Manifest{}, fmt.Errorf("manifest: format %d is not known, only %d", version.Format, ManifestFormat)
	}
	var m Manifest
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		return Manifest{}, notManifest(err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return Manifest{}, fmt.Errorf("manifest: something follows it")
	}
	return m, m.Check()
}

// notManifest is an error of the decoder, which may repeat what it has read.
func notManifest(err error) error {
	return fmt.Errorf("manifest: %s", Printable(err.Error()))
}

// Check returns an error unless the manifest is complete, agrees with itself and
// keeps to the limits.
func (m Manifest) Check() error {
	if m.Format != ManifestFormat {
		return fmt.Errorf("manifest: format %d is not known, only %d", m.Format, ManifestFormat)
	}
	if err := m.Ref.Check(); err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	if !m.Started.Equal(m.ID.Time()) {
		return fmt.Errorf("manifest: started %s is not the time of its id", m.Started.Format(time.RFC3339))
	}
	if err := checkText("pusher", m.Pusher, MaxWord); err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	if err := checkTexts("line of restore", m.Restore, MaxRestoreLines, MaxRestoreLine); err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	if len(m.Streams) == 0 || len(m.Streams) > MaxStreams {
		return fmt.Errorf("manifest: %d streams, want 1 to %d", len(m.Streams), MaxStreams)
	}
	names, files := map[string]bool{}, map[string]bool{}
	for _, s := range m.Streams {
		if err := s.check(); err != nil {
			return fmt.Errorf("manifest: stream %q: %w", s.Name, err)
		}
		if names[s.Name] || files[s.File] {
			return fmt.Errorf("manifest: stream %q: occurs twice", s.Name)
		}
		names[s.Name], files[s.File] = true, true
	}
	return nil
}

func (s Stream) check() error {
	if err := CheckName("stream", s.Name); err != nil {
		return err
	}
	if err := CheckFile(s.File); err != nil {
		return err
	}
	if err := CheckFile(s.PlainFile); err != nil {
		return err
	}
	if s.PlainSize <= 0 || s.StoredSize <= 0 {
		return fmt.Errorf("is empty")
	}
	if s.PlainSize > MaxPlainSize {
		return fmt.Errorf("%d bytes, want at most %d", s.PlainSize, int64(MaxPlainSize))
	}
	if !isHex(s.PlainSHA256, 32) || !isHex(s.StoredSHA256, 32) {
		return fmt.Errorf("has no SHA-256")
	}
	switch s.Compression {
	case "zstd", "gzip", "none":
	default:
		return fmt.Errorf("compression %q: want zstd, gzip or none", s.Compression)
	}
	if err := s.Encryption.Check(); err != nil {
		return err
	}
	if err := s.Source.check(); err != nil {
		return err
	}
	return CheckParts(s.Parts, s.Checksum, s.StoredSize)
}

// CheckParts returns an error unless the parts are numbered from 1 without a
// gap, bear sums of the algorithm, and add up to size bytes.
func CheckParts(parts []Part, checksum string, size int64) error {
	sumBytes := map[string]int{ChecksumSHA256: 32, ChecksumMD5: 16}[checksum]
	if sumBytes == 0 {
		return fmt.Errorf("checksum %q: want %s or %s", checksum, ChecksumSHA256, ChecksumMD5)
	}
	if len(parts) == 0 || len(parts) > MaxParts {
		return fmt.Errorf("%d parts, want 1 to %d", len(parts), MaxParts)
	}
	var total int64
	for i, p := range parts {
		if p.Number != i+1 {
			return fmt.Errorf("part %d stands at place %d", p.Number, i+1)
		}
		if p.Size <= 0 || p.Size > MaxPartSize {
			return fmt.Errorf("part %d: size %d", p.Number, p.Size)
		}
		if !isHex(p.Sum, sumBytes) {
			return fmt.Errorf("part %d: sum %q is no %s", p.Number, p.Sum, checksum)
		}
		if err := checkText("etag", p.ETag, MaxWord); err != nil {
			return fmt.Errorf("part %d: %w", p.Number, err)
		}
		total += p.Size
	}
	if total != size {
		return fmt.Errorf("parts are %d bytes together, not %d", total, size)
	}
	return nil
}

// isHex reports whether s is n bytes in lower-case hex.
func isHex(s string, n int) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == n && hex.EncodeToString(b) == s
}
