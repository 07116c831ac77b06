package disk

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"

	"github.com/holdfast-backup/holdfast/internal/vault/layout"
)

// recover makes the vault's own directories and removes what a crash has left:
// uploads that have become objects, and temporary files. What can't be removed, as
// others may have left it, keeps nobody from the vault.
func (v *Vault) recover() error {
	for _, dir := range []string{layout.TempDir, layout.UploadsDir} {
		if err := v.root.Mkdir(dir, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		// Whatever a link leads to is not what a crash has left.
		if info, err := v.root.Lstat(dir); err != nil || !info.IsDir() {
			return cmp.Or(err, fmt.Errorf("%q is no directory", dir))
		}
	}
	ids, err := v.uploadIDs()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := v.recoverUpload(id); err != nil {
			v.log.Warn("remove completed upload", "upload", id, "err", cause(err))
		}
	}
	return v.recoverTemp()
}

func (v *Vault) recoverUpload(id string) error {
	rec, err := v.readUpload(id, "")
	if err != nil || !v.completed(id, rec.Key) {
		return nil // gone, or not for here to judge: ListUploads tells of it
	}
	unlock, ok := v.tryLock(layout.UploadPath(id, lockFile))
	if !ok {
		return nil // another process is completing it
	}
	defer unlock()
	return v.discard(id)
}

func (v *Vault) recoverTemp() error {
	f, err := v.root.Open(layout.TempDir)
	if err != nil {
		return err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || v.now().Sub(info.ModTime()) < layout.Abandoned {
			continue
		}
		if err := v.root.RemoveAll(layout.TempPath(e.Name())); err != nil {
			v.log.Warn("remove temporary file", "name", e.Name(), "err", cause(err))
		}
	}
	return nil
}
