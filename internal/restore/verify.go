package restore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/holdfast-backup/holdfast"
)

// Verification is what is proven of a backup.
type Verification struct {
	holdfast.Ref
	OK        bool             `json:"ok"` // nothing was found wrong
	Signature Signature        `json:"signature"`
	Streams   []VerifiedStream `json:"streams"`
	// Unproven says in words what could not be looked at.
	Unproven []string `json:"unproven,omitempty"`
}

// VerifiedStream is what is proven of one stream.
type VerifiedStream struct {
	Name       string `json:"name"`
	File       string `json:"file"`
	StoredSize int64  `json:"stored_size"` // bytes
	PlainSize  int64  `json:"plain_size"`  // bytes
	Stored     bool   `json:"stored"`      // size and SHA-256 of the stored bytes are right
	Plain      bool   `json:"plain"`       // it decrypts, and size and SHA-256 of the plain bytes are right
	Error      string `json:"error,omitempty"`
}

// Verify downloads everything and compares sizes and hashes: of the stored bytes
// always, of the plain ones where nothing is encrypted or an identity fits. The
// result says what was proven also where the error, which tells the first thing
// that is wrong, is not nil.
func (b *Backup) Verify(ctx context.Context) (Verification, error) {
	v := Verification{Ref: b.Manifest.Ref, Signature: b.Signature}
	if b.Signature != Verified {
		v.Unproven = append(v.Unproven, "that the host made this manifest: nobody knows the key it was signed with")
	}
	b.begin(b.Manifest.Streams...)
	var first error
	for _, s := range b.Manifest.Streams {
		if err := ctx.Err(); err != nil {
			return v, context.Cause(ctx)
		}
		result := VerifiedStream{Name: s.Name, File: s.File, StoredSize: s.StoredSize, PlainSize: s.PlainSize}
		err := b.verify(ctx, s, &result)
		if err != nil {
			result.Error = err.Error()
			if first == nil {
				first = err
			}
		} else if !result.Plain {
			v.Unproven = append(v.Unproven, fmt.Sprintf("that stream %q decrypts and its plain bytes are right: no identity or passphrase was given", s.Name))
		}
		v.Streams = append(v.Streams, result)
	}
	v.OK = first == nil
	return v, first
}

func (b *Backup) verify(ctx context.Context, s holdfast.Stream, result *VerifiedStream) error {
	if s.Encryption.Format == holdfast.EncryptionNone || !b.options.Identities.None() {
		err := b.read(ctx, s, func(plain io.Reader) error { return copyAll(io.Discard, plain) })
		result.Stored, result.Plain = err == nil, err == nil
		// An identity that does not fit leaves the stored bytes to be looked at.
		if wrong, ok := errors.AsType[*IdentityError](err); ok {
			return errors.Join(wrong, b.verifyStored(ctx, s, result))
		}
		return err
	}
	return b.verifyStored(ctx, s, result)
}

func (b *Backup) verifyStored(ctx context.Context, s holdfast.Stream, result *VerifiedStream) error {
	stored, err := b.fetcher.Open(ctx, s)
	if err != nil {
		return fmt.Errorf("read stream %q: %w", s.Name, err)
	}
	defer stored.Close()
	sum := sha256.New()
	if err := copyAll(sum, &counter{r: stored, backup: b}); err != nil {
		return fmt.Errorf("read stream %q: %w", s.Name, err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != s.StoredSHA256 {
		return fmt.Errorf("stream %q: stored SHA-256 %s, want %s: %w", s.Name, got, s.StoredSHA256, holdfast.ErrCorrupt)
	}
	result.Stored = true
	return nil
}
