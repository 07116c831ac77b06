package adopt

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/holdfast-backup/holdfast"
)

// Refusals to delete what is adopted.
var (
	errWatched = fmt.Errorf("it is adopted without delete: true: %w", holdfast.ErrLocked)
	errPart    = fmt.Errorf("it is part of an adopted backup, which goes as a whole or not at all: %w", holdfast.ErrLocked)
	errChanged = fmt.Errorf("the files of this adopted backup have changed since they were listed: %w", holdfast.ErrConflict)
)

// Delete implements holdfast.Deleter; the package comment says how it does so with
// what is adopted.
func (v *Vault) Delete(ctx context.Context, key string) error {
	own, err := v.delete(ctx, key)
	if own && err == nil {
		return v.Vault.Delete(ctx, key)
	}
	if err != nil {
		return fmt.Errorf("delete %q: %w", key, err)
	}
	return nil
}

// delete deletes what is adopted, and reports whether the key is an own object's
// instead, which it leaves.
func (v *Vault) delete(ctx context.Context, key string) (own bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	ref, name, ok := holdfast.ParseKey(key)
	if !ok || name == holdfast.HoldFile {
		return true, nil
	}
	g, err := v.adopted(ctx, ref)
	if err != nil {
		return false, err
	}
	if g == nil {
		return true, nil
	}
	if taken, err := v.taken(ctx, ref); taken || err != nil {
		return taken, err
	}
	if name == holdfast.ManifestFile {
		return false, v.grant(ctx, g)
	}
	if g.file(name) == nil {
		return true, nil
	}
	return false, v.deleteFile(ctx, ref, name)
}

// grant notes that the files of the backup may be deleted, if all of them are as
// they were listed.
func (v *Vault) grant(ctx context.Context, listed *group) error {
	if !listed.delete {
		return errWatched
	}
	now, err := v.again(ctx, listed.ref)
	if err != nil {
		return err
	}
	switch {
	case now == nil || len(now.files) == 0:
		return nil // its own program was faster
	case now.young || len(now.files) != len(listed.files):
		return errChanged
	}
	for i, f := range now.files {
		if f.at.Size != listed.files[i].at.Size {
			return errChanged
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.granted[listed.ref] = now
	return nil
}

// deleteFile deletes one file of a backup whose manifest was deleted.
func (v *Vault) deleteFile(ctx context.Context, ref holdfast.Ref, name string) error {
	v.mu.Lock()
	g := v.granted[ref]
	v.mu.Unlock()
	if g == nil || g.file(name) == nil {
		return errPart
	}
	f := *g.file(name)
	now, there, err := v.look(ctx, f.at.Key)
	if err != nil {
		return err
	}
	if there && (now.Size != f.at.Size || isYoung(now, v.now())) {
		return errChanged
	}
	if there {
		return v.source.Delete(ctx, f.at.Key)
	}
	return nil
}

// deletions is how many requests are under way at once where the vault does not
// delete many objects in one.
const deletions = 8

// DeleteBatch returns for each key what Delete would.
func (v *Vault) DeleteBatch(ctx context.Context, keys []string) []error {
	errs, own := make([]error, len(keys)), make([]bool, len(keys))
	batch, inFew := v.Vault.(batchDeleter)
	var group errgroup.Group
	group.SetLimit(deletions)
	for i, key := range keys {
		group.Go(func() error {
			if !inFew {
				errs[i] = v.Delete(ctx, key)
			} else if own[i], errs[i] = v.delete(ctx, key); errs[i] != nil {
				errs[i], own[i] = fmt.Errorf("delete %q: %w", key, errs[i]), false
			}
			return nil
		})
	}
	group.Wait() // the errors are in errs
	var at []int
	var rest []string
	for i := range keys {
		if own[i] {
			at, rest = append(at, i), append(rest, keys[i])
		}
	}
	if len(rest) > 0 {
		for n, err := range batch.DeleteBatch(ctx, rest) {
			errs[at[n]] = err
		}
	}
	return errs
}
