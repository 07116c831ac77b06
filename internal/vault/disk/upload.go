package disk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path"
	"strings"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/vault/layout"
)

// Files of an upload that are this package's alone.
const (
	lockFile   = "lock"
	sealedFile = "sealed"
	shortFile  = "short"
)

// UploadLimits implements holdfast.Uploader.
func (v *Vault) UploadLimits() holdfast.UploadLimits {
	return layout.Limits()
}

// StartUpload implements holdfast.Uploader.
func (v *Vault) StartUpload(ctx context.Context, key string) (holdfast.Upload, error) {
	if err := checkKey(key); err != nil {
		return holdfast.Upload{}, err
	}
	if err := ctx.Err(); err != nil {
		return holdfast.Upload{}, fmt.Errorf("start upload of %q: %w", key, err)
	}
	id := layout.NewID()
	if err := v.makeUpload(id, layout.Record{Key: key, Started: v.now()}); err != nil {
		return holdfast.Upload{}, fmt.Errorf("start upload of %q: %w", key, cause(err))
	}
	return holdfast.Upload{Key: key, ID: id}, nil
}

// makeUpload makes the directory under a temporary name first, so that nobody
// ever sees half of it.
func (v *Vault) makeUpload(id string, rec layout.Record) (err error) {
	text, err := rec.Encode()
	if err != nil {
		return err
	}
	temp := layout.TempPath(id)
	if err := v.root.Mkdir(temp, dirMode); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			v.root.RemoveAll(temp)
		}
	}()
	for name, body := range map[string][]byte{layout.RecordFile: text, lockFile: nil, layout.DataFile: nil} {
		if err := v.writeFile(path.Join(temp, name), body); err != nil {
			return err
		}
	}
	if err := v.syncDir(temp); err != nil {
		return err
	}
	if err := v.root.Rename(temp, layout.UploadDir(id)); err != nil {
		return err
	}
	return v.syncDir(layout.UploadsDir)
}

// readUpload returns the record of an upload; holdfast.ErrNotExist if there is
// none of that id and, where key is not empty, of that key.
func (v *Vault) readUpload(id, key string) (layout.Record, error) {
	if !layout.IsID(id) {
		return layout.Record{}, holdfast.ErrNotExist
	}
	text, err := v.readPlain(layout.UploadPath(id, layout.RecordFile), layout.MaxRecord)
	if errors.Is(err, fs.ErrNotExist) {
		return layout.Record{}, holdfast.ErrNotExist
	}
	if err != nil {
		return layout.Record{}, err
	}
	rec, err := layout.ParseRecord(id, text, layout.MaxName)
	if err == nil && key != "" && rec.Key != key {
		return layout.Record{}, holdfast.ErrNotExist
	}
	return rec, err
}

// lockUpload takes the upload's lock; holdfast.ErrNotExist if there is no such
// upload. What the upload holds must be looked at again under the lock: whoever
// had it before may have removed the upload.
func (v *Vault) lockUpload(ctx context.Context, id string, with sharing) (unlock func(), err error) {
	if !layout.IsID(id) {
		return nil, holdfast.ErrNotExist
	}
	// Made anew where it was lost; where the upload is gone, it cannot be.
	unlock, err = v.lock(ctx, layout.UploadPath(id, lockFile), with)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, holdfast.ErrNotExist
	}
	return unlock, err
}

// AbortUpload implements holdfast.Uploader. Parts on their way are cut off.
func (v *Vault) AbortUpload(ctx context.Context, u holdfast.Upload) error {
	err := v.abort(ctx, u)
	if err != nil && !errors.Is(err, holdfast.ErrNotExist) {
		return fmt.Errorf("abort upload of %q: %w", u.Key, cause(err))
	}
	return nil
}

func (v *Vault) abort(ctx context.Context, u holdfast.Upload) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	_, err := v.readUpload(u.ID, u.Key)
	damaged := isDamage(err) && u.Key == ""
	if err != nil && !damaged {
		return err
	}
	v.sending.cut(u.ID)
	unlock, err := v.lockUpload(ctx, u.ID, alone)
	switch {
	case errors.Is(err, errNotPlain), damaged && errors.Is(err, fs.ErrPermission):
		// Nobody here has locked what can't be.
	case err != nil:
		return err
	default:
		defer unlock()
	}
	return v.discard(u.ID)
}

// isDamage reports whether that is why an upload whose directory is there has no
// record: it is missing, says nothing, or may not be read.
func isDamage(err error) bool {
	return errors.Is(err, holdfast.ErrNotExist) || errors.Is(err, holdfast.ErrCorrupt) || errors.Is(err, fs.ErrPermission)
}

// discard removes the upload, at once as far as others can see. The caller holds
// its lock alone.
func (v *Vault) discard(id string) error {
	temp := layout.TempPath(id)
	err := v.root.Rename(layout.UploadDir(id), temp)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if errors.Is(err, fs.ErrPermission) && v.rmdir(layout.UploadDir(id)) == nil {
		return nil // closed to us it can't be moved; an empty one can be removed
	}
	if err != nil {
		return err
	}
	return v.root.RemoveAll(temp)
}

// ListUploads implements holdfast.UploadLister. An upload whose record is damaged
// has no key any more: it is shown where all backups are asked for, so that it can
// be aborted once it is old, and keeps no job from its own uploads.
func (v *Vault) ListUploads(ctx context.Context, prefix string) iter.Seq2[holdfast.Upload, error] {
	return func(yield func(holdfast.Upload, error) bool) {
		ids, err := v.uploadIDs()
		if err != nil {
			yield(holdfast.Upload{}, fmt.Errorf("list uploads of %q: %w", prefix, cause(err)))
			return
		}
		for _, id := range ids {
			u, err := v.unfinished(ctx, id, prefix)
			if errors.Is(err, holdfast.ErrNotExist) {
				continue
			}
			if err != nil {
				yield(holdfast.Upload{}, fmt.Errorf("list uploads of %q: %w", prefix, cause(err)))
				return
			}
			if !yield(u, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(holdfast.Upload{}, fmt.Errorf("list uploads of %q: %w", prefix, err))
		}
	}
}

func (v *Vault) uploadIDs() ([]string, error) {
	f, err := v.root.Open(layout.UploadsDir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	var ids []string
	for _, e := range entries {
		if layout.IsID(e.Name()) && e.IsDir() {
			ids = append(ids, e.Name())
		}
	}
	return ids, err
}

// unfinished returns the upload as a listing shows it; holdfast.ErrNotExist if
// it is gone, completed, or of a key that does not begin with prefix.
func (v *Vault) unfinished(ctx context.Context, id, prefix string) (holdfast.Upload, error) {
	if err := ctx.Err(); err != nil {
		return holdfast.Upload{}, err
	}
	rec, err := v.readUpload(id, "")
	if isDamage(err) {
		return v.damaged(id, prefix)
	}
	if err != nil {
		return holdfast.Upload{}, err
	}
	if !strings.HasPrefix(rec.Key, prefix) || v.completed(id, rec.Key) {
		return holdfast.Upload{}, holdfast.ErrNotExist
	}
	size, err := v.received(id)
	if err != nil {
		return holdfast.Upload{}, err
	}
	return holdfast.Upload{Key: rec.Key, ID: id, Started: rec.Started, Size: size}, nil
}

// damaged returns an upload whose record says nothing. It was started when its
// directory last changed, at the latest.
func (v *Vault) damaged(id, prefix string) (holdfast.Upload, error) {
	if !strings.HasPrefix(holdfast.BackupsPrefix, prefix) {
		return holdfast.Upload{}, holdfast.ErrNotExist
	}
	info, err := v.root.Lstat(layout.UploadDir(id))
	if errors.Is(err, fs.ErrNotExist) {
		return holdfast.Upload{}, holdfast.ErrNotExist
	}
	if err != nil {
		return holdfast.Upload{}, err
	}
	size, err := v.received(id)
	return holdfast.Upload{ID: id, Started: info.ModTime().UTC(), Size: size}, err
}
