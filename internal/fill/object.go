package fill

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/restore"
)

// same proves that an object that is in the target already is the one that would
// be copied: it is read back, since whoever began it may have been anybody.
func (c *copier) same(ctx context.Context, key string, there holdfast.Object, s holdfast.Stream, report func(int64)) error {
	if there.Size != s.StoredSize {
		return fmt.Errorf("target has another %q, of %d bytes and not %d, which is left as it is: %w", key, there.Size, s.StoredSize, holdfast.ErrExist)
	}
	ref, _, ok := holdfast.ParseKey(key)
	if !ok {
		return fmt.Errorf("object %q: is not of a backup", key)
	}
	stored, err := restore.Direct(c.to, ref).Open(ctx, s)
	if err != nil {
		return fmt.Errorf("read %q in target: %w", key, err)
	}
	defer stored.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, &counted{r: stored, report: report}); err != nil {
		return fmt.Errorf("read %q in target: %w", key, err)
	}
	if hex.EncodeToString(sum.Sum(nil)) != s.StoredSHA256 {
		return fmt.Errorf("target has another %q, of the same size, which is left as it is: %w", key, holdfast.ErrExist)
	}
	return nil
}

// counted reports how much was read.
type counted struct {
	r      io.Reader
	n      int64
	report func(int64)
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	c.report(c.n)
	return n, err
}

// object copies one object. Nothing is visible under its key before every byte
// is proven. If somebody else was faster it is read back like any that is there.
func (c *copier) object(ctx context.Context, fetcher restore.Fetcher, key string, s holdfast.Stream, report func(int64)) error {
	limits := c.to.UploadLimits()
	if most := holdfast.MaxUpload(limits.MaxParts); s.StoredSize > most {
		return fmt.Errorf("object %q: has %s, and the target takes %s", key, holdfast.Size(s.StoredSize), holdfast.Size(most))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stored, err := fetcher.Open(ctx, s)
	if err != nil {
		return fmt.Errorf("read %q: %w", key, err)
	}
	defer stored.Close()
	earlier := c.unfinished(ctx, key)
	u, err := c.to.StartUpload(ctx, key)
	if err != nil {
		return fmt.Errorf("begin %q in target: %w", key, err)
	}
	sum := sha256.New()
	parts, err := c.send(ctx, u, limits, io.TeeReader(&counted{r: stored, report: report}, sum), s.StoredSize)
	if err == nil {
		err = checkSum(key, sum, s)
	}
	if err == nil {
		err = c.complete(ctx, u, parts, s, earlier)
	}
	if err == nil {
		return nil
	}
	c.abort(ctx, u)
	if object, there, unknown := c.look(ctx, key); unknown == nil && there {
		// On a server where nothing can be renamed this may be what was just sent itself,
		// and not the cause.
		if another := c.same(ctx, key, object, s, func(int64) {}); another == nil || errors.Is(err, holdfast.ErrExist) {
			return another
		}
	}
	return err
}

func checkSum(key string, sum hash.Hash, s holdfast.Stream) error {
	if got := hex.EncodeToString(sum.Sum(nil)); got != s.StoredSHA256 {
		return fmt.Errorf("object %q: SHA-256 %s, want %s: %w", key, got, s.StoredSHA256, holdfast.ErrCorrupt)
	}
	return nil
}

// complete makes the object visible.
func (c *copier) complete(ctx context.Context, u holdfast.Upload, parts []holdfast.Part, s holdfast.Stream, earlier []holdfast.Upload) error {
	left := c.overtake(ctx, earlier)
	err := c.to.CompleteUpload(ctx, u, parts, s.StoredSize)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, holdfast.ErrExist) && left > 0:
		return fmt.Errorf("complete %q in target: an earlier upload of it is not finished, and may be the host's: %w", u.Key, err)
	}
	return fmt.Errorf("complete %q in target: %w", u.Key, err)
}

// abortTime is how long discarding an upload may take after a failure. What stays
// behind is the sweep's.
const abortTime = 20 * time.Second

func (c *copier) abort(ctx context.Context, u holdfast.Upload) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTime)
	defer cancel()
	_ = c.to.AbortUpload(ctx, u)
}
