package sftp

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/vault/layout"
)

// straySuffix ends the made-up id of a temporary file that a crash has left.
const straySuffix = ".tmp"

// ListUploads implements holdfast.UploadLister. What has lost its record, and
// temporary files that are a day old, have no key.
func (v *Vault) ListUploads(ctx context.Context, prefix string) iter.Seq2[holdfast.Upload, error] {
	return func(yield func(holdfast.Upload, error) bool) {
		all, err := v.unfinished(ctx, prefix)
		for _, u := range all {
			if !yield(u, nil) {
				return
			}
		}
		if err != nil {
			yield(holdfast.Upload{}, v.wrap("list uploads of", prefix, err))
		}
	}
}

// uploadsAtOnce is how many uploads are looked at at once.
const uploadsAtOnce = 32

func (v *Vault) unfinished(ctx context.Context, prefix string) ([]holdfast.Upload, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	everything := strings.HasPrefix(holdfast.BackupsPrefix, prefix)
	return do(ctx, v, func(o op) ([]holdfast.Upload, error) {
		entries, err := o.readDir(layout.UploadsDir)
		if err != nil && !isNotExist(err) {
			return nil, err
		}
		var all []holdfast.Upload
		for len(entries) > 0 {
			some := entries[:min(len(entries), uploadsAtOnce)]
			entries = entries[len(some):]
			found := make([]holdfast.Upload, len(some))
			for i, err := range together(len(some), func(i int) (err error) {
				found[i], err = o.unfinished(some[i])
				return err
			}) {
				switch {
				case errors.Is(err, holdfast.ErrNotExist):
				case err != nil:
					return nil, err
				case found[i].Key != "" && strings.HasPrefix(found[i].Key, prefix), found[i].Key == "" && everything:
					all = append(all, found[i])
				}
			}
		}
		if !everything {
			return all, nil
		}
		strays, err := o.strays(v.o.Now())
		return append(all, strays...), err
	})
}

// unfinished returns the upload of a directory of .uploads; holdfast.ErrNotExist if
// it is none.
func (o op) unfinished(dir fs.FileInfo) (holdfast.Upload, error) {
	id := dir.Name()
	if !layout.IsID(id) || !dir.IsDir() {
		return holdfast.Upload{}, holdfast.ErrNotExist
	}
	// A record that is not there yet, or not any more, is one that says nothing: so is
	// an upload without data, and one that is closed to us.
	u := holdfast.Upload{ID: id, Started: dir.ModTime().UTC()}
	record, err := o.readRecord(id)
	if err != nil && !isDamage(err) {
		return holdfast.Upload{}, err
	}
	data, lost := o.lstat(layout.UploadPath(id, layout.DataFile))
	if lost != nil && !isNotExist(lost) && !errors.Is(lost, ErrDenied) {
		return holdfast.Upload{}, lost
	}
	if data != nil {
		u.Size = data.Size()
	}
	if err == nil && data != nil {
		u.Key, u.Started = record.Key, record.Started
	}
	return u, nil
}

// strays returns temporary files that a crash has left, as uploads without a key.
func (o op) strays(now time.Time) ([]holdfast.Upload, error) {
	entries, err := o.readDir(layout.TempDir)
	if isNotExist(err) {
		return nil, nil
	}
	var all []holdfast.Upload
	for _, e := range entries {
		if layout.IsID(e.Name()) && e.Mode().IsRegular() && now.Sub(e.ModTime()) > layout.Abandoned {
			all = append(all, holdfast.Upload{ID: e.Name() + straySuffix, Started: e.ModTime().UTC(), Size: e.Size()})
		}
	}
	return all, err
}
