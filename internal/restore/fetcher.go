package restore

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"io"

	"github.com/holdfast-backup/holdfast"
)

// Fetcher reads the objects of one backup. Safe for concurrent use.
type Fetcher interface {
	// Ref returns the backup it fetches.
	Ref() holdfast.Ref
	// Manifest returns the manifest's document as it is stored, unproven, of
	// at most maxDocument bytes, and the keys that the host may have signed
	// it with. holdfast.ErrNotExist if there is no such backup.
	Manifest(ctx context.Context) (doc []byte, keys []ed25519.PublicKey, err error)
	// Open returns the stored bytes of a stream's data object, unproven,
	// fetched in several ranges side by side, each again after a failure. An
	// object of another size than the stream's is holdfast.ErrCorrupt. The
	// reader ends when ctx does; the caller closes it.
	Open(ctx context.Context, s holdfast.Stream) (io.ReadCloser, error)
}

// maxDocument is the largest manifest with its envelope and signature, in bytes.
const maxDocument = holdfast.MaxManifestSize

// direct reads from a vault.
type direct struct {
	vault    holdfast.Reader
	ref      holdfast.Ref
	keys     []ed25519.PublicKey
	transfer transfer
}

// Direct returns a Fetcher that reads the backup from the vault itself. keys
// are the host's, present and retired.
func Direct(vault holdfast.Reader, ref holdfast.Ref, keys ...ed25519.PublicKey) Fetcher {
	return &direct{vault: vault, ref: ref, keys: keys, transfer: usualTransfer}
}

func (d *direct) Ref() holdfast.Ref { return d.ref }

func (d *direct) Manifest(ctx context.Context) ([]byte, []ed25519.PublicKey, error) {
	doc, err := d.transfer.readAll(ctx, func(ctx context.Context, _, _ int64) (io.ReadCloser, error) {
		return d.vault.Open(ctx, d.ref.ManifestKey(), 0, -1)
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read manifest of %s: %w", d.ref, err)
	}
	return doc, d.keys, nil
}

func (d *direct) Open(ctx context.Context, s holdfast.Stream) (io.ReadCloser, error) {
	key := d.ref.Key(s.File)
	return d.transfer.newWindows(ctx, s.StoredSize, func(ctx context.Context, offset, n int64) (io.ReadCloser, error) {
		return d.vault.Open(ctx, key, offset, n)
	}), nil
}

// WithKeys returns f with the keys of the host that choose takes for those that f
// gives: what a server says of keys is worth as much as the server.
func WithKeys(f Fetcher, choose func(given []ed25519.PublicKey) ([]ed25519.PublicKey, error)) Fetcher {
	return keyed{f, choose}
}

type keyed struct {
	Fetcher
	choose func([]ed25519.PublicKey) ([]ed25519.PublicKey, error)
}

func (k keyed) Manifest(ctx context.Context) ([]byte, []ed25519.PublicKey, error) {
	doc, keys, err := k.Fetcher.Manifest(ctx)
	if err == nil {
		keys, err = k.choose(keys)
	}
	return doc, keys, err
}

// readAll reads a document of unknown size, at most maxDocument, from its
// beginning, again after a failure.
func (t transfer) readAll(ctx context.Context, open ranger) ([]byte, error) {
	for failures := 1; ; failures++ {
		doc, err := readDocument(ctx, open)
		switch {
		case err == nil:
			return doc, nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case permanent(err) || failures >= t.failures:
			return nil, err
		}
		if err := t.wait(ctx, backoff(failures)); err != nil {
			return nil, err
		}
	}
}

func readDocument(ctx context.Context, open ranger) ([]byte, error) {
	r, err := open(ctx, 0, -1)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var doc bytes.Buffer
	n, err := io.Copy(&doc, io.LimitReader(r, maxDocument+1))
	if err != nil {
		return nil, err
	}
	if n > maxDocument {
		return nil, fmt.Errorf("larger than %d bytes: %w", int64(maxDocument), holdfast.ErrCorrupt)
	}
	return doc.Bytes(), nil
}
