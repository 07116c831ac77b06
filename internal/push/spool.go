package push

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/holdfast-backup/holdfast"
)

// spool is the directory <dir>/<job>/<id>/<file> into which backups are dumped
// before they are sent. A backup there without a manifest was not committed. One with
// it was, unless the run was killed right then: the manifest is written here first.
type spool struct{ dir, job string }

func (s spool) path(id holdfast.ID, file string) string {
	return filepath.Join(s.dir, s.job, string(id), file)
}

// ids returns the backups in the spool, oldest first. Whatever else lies there
// is left alone.
func (s spool) ids() ([]holdfast.ID, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, s.job))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read spool: %w", err)
	}
	var ids []holdfast.ID
	for _, e := range entries {
		if id, err := holdfast.ParseID(e.Name()); err == nil && e.IsDir() {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// clean removes what a run that was killed has left. The caller holds the lock.
func (s spool) clean() error {
	ids, err := s.ids()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if _, err := os.Stat(s.path(id, holdfast.ManifestFile)); errors.Is(err, os.ErrNotExist) {
			if err := s.remove(id); err != nil {
				return err
			}
		}
	}
	return nil
}

// keep removes all but the newest n backups.
func (s spool) keep(n int) error {
	ids, err := s.ids()
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range ids[:max(len(ids)-n, 0)] {
		errs = append(errs, s.remove(id))
	}
	return errors.Join(errs...)
}

// remove removes one backup; nil if it is not there.
func (s spool) remove(id holdfast.ID) error {
	if id == "" {
		return nil
	}
	// The manifest first: half a backup must not look like a whole one.
	err := os.Remove(s.path(id, holdfast.ManifestFile))
	if err == nil || errors.Is(err, os.ErrNotExist) {
		err = os.RemoveAll(s.path(id, ""))
	}
	if err != nil {
		return fmt.Errorf("clean spool: %w", err)
	}
	return nil
}

// write stores a small file.
func (s spool) write(id holdfast.ID, file string, body []byte) error {
	f, err := s.create(id, file)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(body); err != nil {
		return fmt.Errorf("write spool: %w", err)
	}
	return s.sync(id, f)
}

func (s spool) create(id holdfast.ID, file string) (*os.File, error) {
	if err := os.MkdirAll(s.path(id, ""), 0o700); err != nil {
		return nil, fmt.Errorf("make spool: %w", err)
	}
	f, err := os.OpenFile(s.path(id, file), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make spool: %w", err)
	}
	return f, nil
}

// sync makes the file last and closes it.
func (s spool) sync(id holdfast.ID, f *os.File) error {
	if err := f.Sync(); err != nil {
		return fmt.Errorf("write spool: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("write spool: %w", err)
	}
	dir, err := os.Open(s.path(id, ""))
	if err != nil {
		return fmt.Errorf("write spool: %w", err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("write spool: %w", err)
	}
	return nil
}
