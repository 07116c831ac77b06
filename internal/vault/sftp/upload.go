package sftp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/vault/layout"
)

// UploadLimits implements holdfast.Uploader.
func (v *Vault) UploadLimits() holdfast.UploadLimits {
	return layout.Limits()
}

// SignPart implements holdfast.Uploader: there is nothing to sign with; see
// SendPart.
func (v *Vault) SignPart(_ context.Context, u holdfast.Upload, p holdfast.Part, _ time.Duration) (holdfast.Request, error) {
	return holdfast.Request{}, v.wrap(fmt.Sprintf("sign part %d of", p.Number), u.Key, errors.ErrUnsupported)
}

// StartUpload implements holdfast.Uploader. On a server that forbids to rename and
// to remove, the object is visible from here on, and its key taken.
func (v *Vault) StartUpload(ctx context.Context, key string) (holdfast.Upload, error) {
	if err := checkKey(key); err != nil {
		return holdfast.Upload{}, err
	}
	u, err := v.start(ctx, key)
	return u, v.wrap("start upload of", key, err)
}

func (v *Vault) start(ctx context.Context, key string) (holdfast.Upload, error) {
	if err := ctx.Err(); err != nil {
		return holdfast.Upload{}, err
	}
	text, err := layout.Record{Key: key, Started: v.o.Now()}.Encode()
	if err != nil {
		return holdfast.Upload{}, err
	}
	again := false
	return do(ctx, v, func(o op) (holdfast.Upload, error) {
		w, err := o.way()
		if err != nil {
			return holdfast.Upload{}, err
		}
		id := layout.NewID() // another one for each attempt
		u := newUpload(key, w == inPlace)
		if w == inPlace {
			u.made, err = o.startInPlace(key, again)
			again = true
		} else {
			err = o.startUpload(id, text)
		}
		if err != nil {
			return holdfast.Upload{}, err
		}
		v.uploads.add(id, u)
		return holdfast.Upload{Key: key, ID: id}, nil
	})
}

// startUpload makes the files of an upload, its record last: without one it is
// nobody's.
func (o op) startUpload(id string, record []byte) error {
	if err := o.makeDirs(layout.UploadDir(id)); err != nil {
		return err
	}
	if err := o.makeEmpty(layout.UploadPath(id, layout.DataFile)); err != nil {
		return err
	}
	return o.writeFile(layout.UploadPath(id, layout.RecordFile), record)
}

// startInPlace makes the object, empty, and leaves it open. After an attempt whose
// answer was lost, an empty one is that attempt's.
func (o op) startInPlace(key string, again bool) (made, error) {
	s, err := o.look(key)
	if err != nil {
		return made{}, err
	}
	if again && s.there() && s.info.Size() == 0 {
		return made{}, nil
	}
	if s.info != nil || s.begun {
		return made{}, holdfast.ErrExist
	}
	if err := o.makeDirs(path.Dir(key)); err != nil {
		return made{}, err
	}
	f, err := o.create(key)
	if errors.Is(err, fs.ErrExist) {
		err = holdfast.ErrExist
	}
	return made{o.s, f}, err
}

// makeEmpty makes an empty file.
func (o op) makeEmpty(name string) error {
	f, err := o.create(name)
	if err != nil {
		return err
	}
	return o.close(f)
}

// known returns what is known here of an upload, or makes it if the server has a
// record of one that this Vault has not begun; holdfast.ErrNotExist if there is
// none of that id and key.
func (v *Vault) known(ctx context.Context, u holdfast.Upload) (*upload, error) {
	if known := v.uploads.get(u.ID); known != nil {
		if known.key != u.Key {
			return nil, holdfast.ErrNotExist
		}
		return known, nil
	}
	if !layout.IsID(u.ID) {
		return nil, holdfast.ErrNotExist
	}
	record, err := do(ctx, v, func(o op) (layout.Record, error) { return o.readRecord(u.ID) })
	if err != nil {
		return nil, err
	}
	if record.Key != u.Key {
		return nil, holdfast.ErrNotExist
	}
	return v.uploads.add(u.ID, newUpload(u.Key, false)), nil
}

// readRecord returns the record of an upload; holdfast.ErrNotExist if there is none,
// holdfast.ErrCorrupt if nobody here has written it.
func (o op) readRecord(id string) (layout.Record, error) {
	name := layout.UploadPath(id, layout.RecordFile)
	info, err := o.lstat(name)
	if err != nil {
		return layout.Record{}, notExist(err)
	}
	if !info.Mode().IsRegular() || info.Size() > layout.MaxRecord {
		return layout.Record{}, fmt.Errorf("record of upload %s: %w", id, holdfast.ErrCorrupt)
	}
	text, err := o.read(name, info.Size())
	if err != nil {
		return layout.Record{}, err
	}
	return layout.ParseRecord(id, text, layout.MaxMarkedName)
}

// AbortUpload implements holdfast.Uploader. Where nothing can be removed, the
// upload is no more than forgotten: what has come of it stays.
func (v *Vault) AbortUpload(ctx context.Context, u holdfast.Upload) error {
	if err := ctx.Err(); err != nil {
		return v.wrap("abort upload of", u.Key, err)
	}
	if name, stray := strings.CutSuffix(u.ID, straySuffix); stray && layout.IsID(name) && u.Key == "" {
		_, err := do(ctx, v, func(o op) (none struct{}, err error) { return none, o.remove(layout.TempPath(name)) })
		return v.wrap("abort upload of", u.Key, err)
	}
	if !layout.IsID(u.ID) {
		return nil
	}
	return v.wrap("abort upload of", u.Key, v.abort(ctx, u))
}

func (v *Vault) abort(ctx context.Context, u holdfast.Upload) error {
	leave, err := v.puts.enter(ctx, u.ID)
	if err != nil {
		return err
	}
	defer leave()
	known, err := v.known(ctx, u)
	switch {
	case isDamage(err) && u.Key == "":
		known = newUpload("", false)
	case errors.Is(err, holdfast.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	if err := known.shut(ctx); err != nil {
		return err
	}
	_, err = do(ctx, v, func(o op) (none struct{}, err error) {
		if known.inPlace {
			o.letGo(known.made)
			err = o.remove(known.key)
		} else {
			err = o.discard(u.ID)
		}
		if forbidden(err) {
			v.o.Log.Warn("an upload can't be removed from the server", "key", u.Key, "err", err)
			err = nil
		}
		return none, err
	})
	if err == nil {
		v.uploads.remove(u.ID)
	}
	return err
}

// isDamage reports whether that is why an upload whose directory is there has no
// record: it is missing, says nothing, or may not be read.
func isDamage(err error) bool {
	return errors.Is(err, holdfast.ErrNotExist) || errors.Is(err, holdfast.ErrCorrupt) || errors.Is(err, ErrDenied)
}

// discard removes the files of an upload.
func (o op) discard(id string) error { return o.removeAll(layout.UploadDir(id)) }

// removeAll removes a directory with all that lies in it, which others may have made.
func (o op) removeAll(dir string) error {
	entries, err := o.readDir(dir)
	switch {
	case isNotExist(err):
		return nil
	case errors.Is(err, ErrDenied):
		// Closed, it can still be removed where nothing lies in it.
	case err != nil:
		return err
	}
	for _, e := range entries {
		remove := o.remove
		if e.IsDir() {
			remove = o.removeAll
		}
		if err := remove(path.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	if err := o.rmdir(dir); err != nil && !isNotExist(err) {
		return err
	}
	return nil
}
