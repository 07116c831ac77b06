package sftp

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
		if taken, unknown := v.taken(ctx, newUpload(u.Key, false)); unknown == nil && taken {
			err = holdfast.ErrExist
		}
	}
	return v.wrap("complete upload of", u.Key, err)
}

func (v *Vault) complete(ctx context.Context, u holdfast.Upload, parts []holdfast.Part, size int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	leave, err := v.puts.enter(ctx, u.ID)
	if err != nil {
		return err
	}
	defer leave()
	known, err := v.known(ctx, u)
	if err != nil {
		return err
	}
	if err := known.shut(ctx); err != nil {
		return err
	}
	if err := layout.CheckParts(parts, size, "was sent", known.stored); err != nil {
		known.open()
		if taken, unknown := v.taken(ctx, known); unknown == nil && taken {
			err = holdfast.ErrExist
		}
		return err
	}
	p := placing{file: known.data(u.ID), key: u.Key}
	_, err = do(ctx, v, func(o op) (none struct{}, err error) {
		if known.inPlace {
			return none, o.finishInPlace(known, size)
		}
		return none, o.publish(&p, size)
	})
	if err != nil {
		known.open()
		if errors.Is(err, fs.ErrExist) {
			return holdfast.ErrExist
		}
		return err
	}
	v.uploads.remove(u.ID)
	if known.inPlace {
		return nil
	}
	_, err = do(ctx, v, func(o op) (none struct{}, err error) { return none, o.discard(u.ID) })
	if err != nil && !forbidden(err) {
		// The object is there, which is what was asked for; the sweep removes the rest.
		v.o.Log.Warn("remove completed upload", "key", u.Key, "err", err)
	}
	return nil
}

// taken reports whether there is an object already that is not the upload itself.
func (v *Vault) taken(ctx context.Context, u *upload) (bool, error) {
	if u.inPlace {
		return false, nil
	}
	s, err := do(ctx, v, func(o op) (seen, error) { return o.look(u.key) })
	return s.there(), err
}

// publish makes the object of the data of an upload.
func (o op) publish(p *placing, size int64) error {
	if p.tried {
		return p.place(o)
	}
	s, err := o.look(p.key)
	if err != nil {
		return err
	}
	if s.info != nil {
		return holdfast.ErrExist
	}
	if err := o.trim(p.file, size); err != nil {
		return err
	}
	if err := p.place(o); err != nil {
		return err
	}
	if s.hidden {
		return o.ensureDir(layout.DoneMark(p.key))
	}
	return nil
}

// finishInPlace ends an upload that was written in place. Its mark says that the
// object is done, whatever marks somebody makes beside it who can't remove that one.
func (o op) finishInPlace(u *upload, size int64) error {
	if u.made.alive() {
		on := o
		on.s = u.made.s
		if err := o.full(on.flush(u.made.f)); err != nil {
			return err
		}
		o.letGo(u.made)
		u.made = made{}
	}
	if err := o.trim(u.key, size); err != nil {
		return err
	}
	return o.ensureDir(layout.DoneMark(u.key))
}

// trim cuts off what parts beyond the last one have written, and flushes.
func (o op) trim(name string, size int64) error {
	info, err := o.lstat(name)
	if err != nil {
		return notExist(err)
	}
	if !info.Mode().IsRegular() || info.Size() < size {
		return fmt.Errorf("%d bytes are stored, not %d: %w", info.Size(), size, holdfast.ErrCorrupt)
	}
	if info.Size() > size {
		if err := o.truncate(name, size); err != nil {
			return fmt.Errorf("cut to size: %w", err)
		}
	}
	f, err := o.open(name, os.O_WRONLY)
	if errors.Is(err, ErrDenied) {
		return nil // each part has been flushed
	}
	if err != nil {
		return notExist(err)
	}
	err = o.full(o.flush(f))
	if closing := o.close(f); err == nil {
		err = closing
	}
	return err
}
