package adopt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/holdfast-backup/holdfast"
)

// Dir is a directory whose files other programs write. It writes nothing, and
// deletes single files when told to. Links are not followed, and what begins with a
// dot is not shown: other programs write their files under such names until they
// are whole. Safe for concurrent use.
type Dir struct{ root *os.Root }

// OpenDir opens the directory. Close it after use.
func OpenDir(name string) (*Dir, error) {
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, fmt.Errorf("open directory: %w", err)
	}
	return &Dir{root}, nil
}

// Close lets go of the directory.
func (d *Dir) Close() error { return d.root.Close() }

// lostAndFound is the one directory that may be closed to us without a loss.
const lostAndFound = "lost+found"

// List implements Source.
func (d *Dir) List(ctx context.Context, prefix string) iter.Seq2[holdfast.Object, error] {
	return func(yield func(holdfast.Object, error) bool) {
		from := path.Clean(prefix[:strings.LastIndexByte(prefix, '/')+1] + ".")
		ok, err := d.isDir(from)
		if ok && err == nil {
			err = fs.WalkDir(d.root.FS(), from, func(name string, e fs.DirEntry, err error) error {
				return visit(ctx, prefix, name, e, err, func(info fs.FileInfo) bool {
					return yield(holdfast.Object{Key: name, Size: info.Size(), ModTime: info.ModTime().UTC()}, nil)
				})
			})
		}
		if err != nil {
			yield(holdfast.Object{}, fmt.Errorf("list %q: %w", prefix, cause(err)))
		}
	}
}

// visit is an fs.WalkDirFunc that calls take for each plain file that begins with
// prefix and is not hidden, until it returns false.
func visit(ctx context.Context, prefix, name string, e fs.DirEntry, err error, take func(fs.FileInfo) bool) error {
	hidden := name != "." && (path.Base(name)[0] == '.' || !utf8.ValidString(name))
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && (hidden || path.Base(name) == lostAndFound || errors.Is(err, fs.ErrNotExist) && name != "."):
		return nil // not ours to see, or gone by now
	case err != nil:
		return err
	case e.IsDir() && hidden:
		return fs.SkipDir
	case hidden || !e.Type().IsRegular() || !strings.HasPrefix(name, prefix):
		return nil
	}
	info, err := e.Info()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !take(info):
		return fs.SkipAll
	}
	return nil
}

// isDir reports whether name and all above it are directories, and no links.
func (d *Dir) isDir(name string) (bool, error) {
	for ; name != "."; name = path.Dir(name) {
		info, err := d.root.Lstat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR):
			return false, nil
		case err != nil || !info.IsDir():
			return false, err
		}
	}
	return true, nil
}

// stat returns what is known of a file; holdfast.ErrNotExist for whatever is not
// a plain file in plain directories.
func (d *Dir) stat(name string) (fs.FileInfo, error) {
	if !Usable(name) {
		return nil, holdfast.ErrNotExist
	}
	if ok, err := d.isDir(path.Dir(name)); err != nil || !ok {
		return nil, cmp.Or(err, holdfast.ErrNotExist)
	}
	info, err := d.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return nil, holdfast.ErrNotExist
	}
	return info, err
}

// Open implements holdfast.Reader.
func (d *Dir) Open(ctx context.Context, name string, offset, n int64) (io.ReadCloser, error) {
	f, err := d.open(ctx, name, offset)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", name, cause(err))
	}
	if n < 0 {
		return f, nil
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(f, n), f}, nil
}

func (d *Dir) open(ctx context.Context, name string, offset int64) (*os.File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if _, err := d.stat(name); err != nil {
		return nil, err
	}
	// Whatever it has become since, opening it must not wait for a writer.
	f, err := d.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, holdfast.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Delete implements holdfast.Deleter. The folder stays, also when it is empty.
func (d *Dir) Delete(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("delete %q: %w", name, err)
	}
	_, err := d.stat(name)
	if err == nil {
		err = d.root.Remove(name)
	}
	if err == nil || errors.Is(err, holdfast.ErrNotExist) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fmt.Errorf("delete %q: %w", name, cause(err))
}

// cause returns what is wrong without the path, which the caller's error names.
func cause(err error) error {
	var onPath *fs.PathError
	if errors.As(err, &onPath) {
		return onPath.Err
	}
	return err
}

var _ Source = (*Dir)(nil)
