package disk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/vault/layout"
)

// CompleteUpload implements holdfast.Uploader. Nothing is copied.
func (v *Vault) CompleteUpload(ctx context.Context, u holdfast.Upload, parts []holdfast.Part, size int64) error {
	err := v.complete(ctx, u, parts, size)
	if errors.Is(err, holdfast.ErrNotExist) && checkKey(u.Key) == nil {
		// Completed before, perhaps a moment ago by someone else.
		if _, taken := v.stat(u.Key); taken == nil {
			err = holdfast.ErrExist
		}
	}
	if err != nil {
		return fmt.Errorf("complete upload of %q: %w", u.Key, cause(err))
	}
	return nil
}

func (v *Vault) complete(ctx context.Context, u holdfast.Upload, parts []holdfast.Part, size int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := v.readUpload(u.ID, u.Key); err != nil {
		return err
	}
	// Who still sends a part now is a sender that was given up long ago.
	v.sending.cut(u.ID)
	unlock, err := v.lockUpload(ctx, u.ID, alone)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := v.readUpload(u.ID, u.Key); err != nil {
		return err
	}
	if _, err := v.root.Lstat(u.Key); err == nil {
		return holdfast.ErrExist
	}
	if err := v.checkParts(u.ID, parts, size); err != nil {
		return err
	}
	if err := v.seal(u.ID, size); err != nil {
		return err
	}
	if err := v.publish(ctx, layout.UploadPath(u.ID, sealedFile), u.Key); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return holdfast.ErrExist
		}
		return err
	}
	if err := v.discard(u.ID); err != nil {
		// The object is there, which is what was asked for; New removes the rest.
		v.log.Warn("remove completed upload", "key", u.Key, "err", cause(err))
	}
	return nil
}

// checkParts returns holdfast.ErrCorrupt unless the parts are those that there are
// receipts of, and make an object of size bytes.
func (v *Vault) checkParts(id string, parts []holdfast.Part, size int64) error {
	return layout.CheckParts(parts, size, "is stored", func(n int) (holdfast.Part, bool) {
		r, ok := v.readReceipt(id, n)
		return holdfast.Part{Number: n, Size: r.Size, Sum: r.Sum}, ok
	})
}

// seal puts the bytes of the upload out of reach of signed requests, cuts off
// what parts beyond the last one have written, and flushes. It may be repeated
// after a crash: a sealed file is only ever cut, so if it is long enough, all of
// it is as the receipts say.
func (v *Vault) seal(id string, size int64) error {
	sealed := layout.UploadPath(id, sealedFile)
	err := v.root.Rename(layout.UploadPath(id, layout.DataFile), sealed)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := v.openPlain(sealed, os.O_WRONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() < size {
		return fmt.Errorf("%d bytes are stored, not %d: %w", info.Size(), size, holdfast.ErrCorrupt)
	}
	if err := f.Truncate(size); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	// On disk before the object is: a power failure must not leave an object
	// whose bytes are also reachable as data.
	return v.syncDir(layout.UploadDir(id))
}

// completed reports whether the upload has become the object, so that only its
// directory is left, from a crash.
func (v *Vault) completed(id, key string) bool {
	sealed, err := v.root.Lstat(layout.UploadPath(id, sealedFile))
	if err != nil {
		return false
	}
	object, err := v.stat(key)
	return err == nil && os.SameFile(sealed, object)
}
