package fill

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/restore"
)

// copier copies backups.
type copier struct {
	Options
	from Source
	to   Target
}

// maxHold is how large the mark that holds a backup may be, in bytes; Holdfast
// writes some hundred.
const maxHold = 64 << 10

// backup copies one backup: data, the mark that holds it, the manifest last.
func (c *copier) backup(ctx context.Context, b holdfast.Backup) (Copied, error) {
	done := Copied{Ref: b.Ref}
	fetcher := &kept{Fetcher: restore.Direct(c.from, b.Ref)}
	m, err := c.manifest(ctx, fetcher)
	if err != nil {
		return done, err
	}
	done.Size = m.StoredSize()
	if err := c.checkQuota(b.Ref, done.Size+int64(len(fetcher.doc))); err != nil {
		return done, err
	}
	there, err := c.present(ctx, b.Ref)
	if err != nil {
		return done, err
	}
	_, committed := there[holdfast.ManifestFile]
	if committed {
		if err := c.fits(ctx, m); err != nil {
			return done, err
		}
	}
	d := data{c, fetcher, m, map[string]bool{}, &done}
	if err := d.fill(ctx, there); err != nil {
		return done, err
	}
	if err := c.hold(ctx, b); err != nil {
		return done, err
	}
	if committed {
		return done, nil
	}
	if err := d.again(ctx); err != nil {
		return done, err
	}
	if err := c.to.Put(ctx, b.ManifestKey(), fetcher.doc); err != nil {
		return done, taken(b.ManifestKey(), err)
	}
	// A sweep that had looked before the manifest was there may have gone on.
	return done, d.again(ctx)
}

// manifest returns a backup's manifest, with its signature proven.
func (c *copier) manifest(ctx context.Context, f restore.Fetcher) (holdfast.Manifest, error) {
	opened, err := restore.Open(ctx, restore.WithKeys(f, func([]ed25519.PublicKey) ([]ed25519.PublicKey, error) {
		return c.HostKeys(f.Ref().Host)
	}), restore.Options{SkipSignature: c.SkipSignature, Warn: c.Warn})
	if err != nil {
		return holdfast.Manifest{}, err
	}
	return opened.Manifest, nil
}

// fits proves that the manifest which the target has already is of the same data:
// a host signs one for each vault, which differ in their parts alone.
func (c *copier) fits(ctx context.Context, m holdfast.Manifest) error {
	there, err := c.manifest(ctx, restore.Direct(c.to, m.Ref))
	if err != nil {
		return fmt.Errorf("target's manifest: %w", err)
	}
	if !slices.EqualFunc(there.Streams, m.Streams, func(a, b holdfast.Stream) bool {
		return a.File == b.File && a.StoredSize == b.StoredSize && a.StoredSHA256 == b.StoredSHA256
	}) {
		return taken(m.ManifestKey(), holdfast.ErrExist)
	}
	return nil
}

// kept keeps the manifest as it is stored, byte for byte.
type kept struct {
	restore.Fetcher
	doc []byte
}

// Manifest implements restore.Fetcher.
func (k *kept) Manifest(ctx context.Context) ([]byte, []ed25519.PublicKey, error) {
	doc, keys, err := k.Fetcher.Manifest(ctx)
	k.doc = doc
	return doc, keys, err
}

// present returns what lies in the target under the backup, by file name.
func (c *copier) present(ctx context.Context, ref holdfast.Ref) (map[string]holdfast.Object, error) {
	there := map[string]holdfast.Object{}
	for object, err := range c.to.List(ctx, ref.Key("")) {
		if err != nil {
			return nil, fmt.Errorf("list target: %w", err)
		}
		if r, file, ok := holdfast.ParseKey(object.Key); ok && r == ref {
			there[file] = object
		}
	}
	return there, nil
}

// hold copies the mark that holds the backup, if it has one. One that the target
// has already holds it as well. Nobody signs a mark, so where hosts write to the
// source any of them may be a host's.
func (c *copier) hold(ctx context.Context, b holdfast.Backup) error {
	if !b.Held || c.HostQuota != nil {
		return nil
	}
	r, err := c.from.Open(ctx, b.HoldKey(), 0, -1)
	if errors.Is(err, holdfast.ErrNotExist) {
		return nil // released since it was listed
	}
	if err != nil {
		return fmt.Errorf("read %q: %w", b.HoldKey(), err)
	}
	defer r.Close()
	var mark bytes.Buffer
	if n, err := io.Copy(&mark, io.LimitReader(r, maxHold+1)); err != nil || n > maxHold {
		return fmt.Errorf("read %q: %w", b.HoldKey(), errors.Join(err, tooLarge(n)))
	}
	if err := c.to.Put(ctx, b.HoldKey(), mark.Bytes()); err != nil && !errors.Is(err, holdfast.ErrExist) {
		return fmt.Errorf("hold in target: %w", err)
	}
	return nil
}

func tooLarge(n int64) error {
	if n <= maxHold {
		return nil
	}
	return fmt.Errorf("larger than %d bytes", maxHold)
}

// taken says that something else lies in the target where a copy would.
func taken(key string, err error) error {
	if errors.Is(err, holdfast.ErrExist) {
		return fmt.Errorf("target has another %q, which is left as it is: %w", key, holdfast.ErrExist)
	}
	return fmt.Errorf("store %q in target: %w", key, err)
}
