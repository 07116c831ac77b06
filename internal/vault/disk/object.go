package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"github.com/holdfast-backup/holdfast"
)

// Open implements holdfast.Reader.
func (v *Vault) Open(ctx context.Context, key string, offset, n int64) (io.ReadCloser, error) {
	body, err := v.openAt(ctx, key, offset, n)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", key, cause(err))
	}
	return body, nil
}

func (v *Vault) openAt(ctx context.Context, key string, offset, n int64) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := v.openFile(key)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && (offset < 0 || offset > info.Size()) {
		err = fmt.Errorf("offset %d lies outside its %d bytes", offset, info.Size())
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	if rest := info.Size() - offset; n < 0 || n > rest {
		n = rest
	}
	return &section{io.NewSectionReader(f, offset, n), f, ctx}, nil
}

// section is a piece of an open file; reading stops when ctx has ended.
type section struct {
	*io.SectionReader
	io.Closer
	ctx context.Context
}

func (s *section) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.SectionReader.Read(p)
}

// openFile opens the object for reading; holdfast.ErrNotExist if there is none.
func (v *Vault) openFile(key string) (*os.File, error) {
	if checkKey(key) != nil {
		return nil, holdfast.ErrNotExist
	}
	if _, err := v.stat(key); err != nil {
		return nil, err
	}
	f, err := v.openPlain(key, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotPlain) {
		return nil, holdfast.ErrNotExist
	}
	return f, err
}

// Put implements holdfast.Putter.
func (v *Vault) Put(ctx context.Context, key string, body []byte) error {
	if err := checkKey(key); err != nil {
		return err
	}
	if err := v.put(ctx, key, body); err != nil {
		return fmt.Errorf("put %q: %w", key, cause(err))
	}
	return nil
}

func (v *Vault) put(ctx context.Context, key string, body []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := v.stat(key); err == nil {
		return v.putAgain(key, body)
	}
	temp, err := v.writeTemp(body)
	if err != nil {
		return err
	}
	defer v.root.Remove(temp)
	err = v.publish(ctx, temp, key)
	if errors.Is(err, fs.ErrExist) {
		return v.putAgain(key, body)
	}
	return err
}

// putAgain is put where the key is taken.
func (v *Vault) putAgain(key string, body []byte) error {
	if !v.holds(key, body) {
		return holdfast.ErrExist
	}
	// Whoever put it may have crashed before it was safe from a power failure.
	return v.syncDirs(path.Dir(key))
}

// holds reports whether the object consists of exactly these bytes.
func (v *Vault) holds(key string, body []byte) bool {
	f, err := v.openFile(key)
	if err != nil {
		return false
	}
	defer f.Close()
	present, err := io.ReadAll(io.LimitReader(f, int64(len(body))+1))
	return err == nil && bytes.Equal(present, body)
}

// Delete implements holdfast.Deleter. Directories that it leaves empty go too.
func (v *Vault) Delete(ctx context.Context, key string) error {
	if err := v.delete(ctx, key); err != nil {
		return fmt.Errorf("delete %q: %w", key, cause(err))
	}
	return nil
}

func (v *Vault) delete(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if checkKey(key) != nil {
		return nil
	}
	// What is begun and not done goes too.
	if _, err := v.lstat(key); errors.Is(err, holdfast.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if err := v.root.Remove(key); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := v.unmark(key); err != nil {
		return err
	}
	dir := path.Dir(key)
	for dir != "." && v.rmdir(dir) == nil {
		dir = path.Dir(dir)
	}
	if err := v.syncDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// rmdir removes an empty directory below the root. Root.Remove would also remove a
// file that somebody has put there in the meantime.
func (v *Vault) rmdir(name string) error {
	parent, err := v.root.Open(path.Dir(name))
	if err != nil {
		return err
	}
	defer parent.Close()
	return unix.Unlinkat(int(parent.Fd()), path.Base(name), unix.AT_REMOVEDIR)
}
