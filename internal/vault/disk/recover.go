package disk

import (
	"errors"
	"io/fs"
	"path"
	"time"
)

// abandoned is the age from which on a temporary file is nobody's any more. None
// is in use for longer than it takes to write a small file.
const abandoned = 24 * time.Hour

// recover makes the vault's own directories and removes what a crash has left:
// uploads that have become objects, and temporary files.
func (v *Vault) recover() error {
	for _, dir := range []string{tempDir, uploadsDir} {
		if err := v.root.Mkdir(dir, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	ids, err := v.uploadIDs()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := v.recoverUpload(id); err != nil {
			return err
		}
	}
	return v.recoverTemp()
}

func (v *Vault) recoverUpload(id string) error {
	rec, err := v.readUpload(id, "")
	if err != nil || !v.completed(id, rec.Key) {
		return nil // gone, or not for here to judge: ListUploads tells of it
	}
	unlock, ok := v.tryLock(uploadPath(id, lockFile))
	if !ok {
		return nil // another process is completing it
	}
	defer unlock()
	return v.discard(id)
}

func (v *Vault) recoverTemp() error {
	f, err := v.root.Open(tempDir)
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
		if err != nil || v.now().Sub(info.ModTime()) < abandoned {
			continue
		}
		if err := v.root.RemoveAll(path.Join(tempDir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
