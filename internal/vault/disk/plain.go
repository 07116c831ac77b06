package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/holdfast-backup/holdfast"
)

// errNotPlain is a name that is not a plain file's: nobody here made what has it.
var errNotPlain = fmt.Errorf("no plain file: %w", holdfast.ErrCorrupt)

// openAttempts bounds how often a file is opened anew that was replaced meanwhile:
// far more than others who replace it could make it.
const openAttempts = 100

// openPlain opens a plain file below the root; fs.ErrNotExist if there is nothing of
// that name, errNotPlain if it is a directory's, a pipe's, or a link's. os.Root would
// follow a link that stays inside.
func (v *Vault) openPlain(name string, flag int) (*os.File, error) {
	for range openAttempts {
		named, err := v.root.Lstat(name)
		if err != nil {
			return nil, err
		}
		if !named.Mode().IsRegular() {
			return nil, errNotPlain
		}
		// Whatever it has become since, opening it must wait for nobody.
		f, err := v.root.OpenFile(name, flag|syscall.O_NONBLOCK, 0)
		if err != nil {
			return nil, err
		}
		opened, err := f.Stat()
		if err == nil && os.SameFile(named, opened) {
			return f, nil
		}
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
	}
	return nil, errNotPlain
}

// readPlain returns what a small file holds; holdfast.ErrCorrupt if that is more than
// most bytes, which nobody here wrote.
func (v *Vault) readPlain(name string, most int64) ([]byte, error) {
	f, err := v.openPlain(name, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("more than %d bytes: %w", most, holdfast.ErrCorrupt)
	}
	return text, err
}
