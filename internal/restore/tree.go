package restore

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
)

// tree extracts an archive into a directory that nothing can be written outside
// of: every member's parents are real directories under root, names that lead
// out of it are refused, and what exists is replaced and never written through.
type tree struct {
	root   *os.Root
	paths  *pathFilter
	owners *owners // nil: owners are not restored
	warn   func(string)

	left     int64      // bytes that the files to come may have
	open     []*openDir // the directories from the root down to the one being filled
	members  int64
	absolute bool // a leading slash was warned about
}

// openDir is a directory that is being filled. What the archive says of it is
// set when it is left, because filling it changes its time and may need a mode
// that the archive does not give.
type openDir struct {
	name   string
	header *tar.Header // nil: keep what it has
	mode   fs.FileMode
	mtime  time.Time // zero: leave it
}

// extract restores the members and returns how many. It stops reading at the
// archive's own end.
func (t *tree) extract(ctx context.Context, plain io.Reader) (int64, error) {
	t.open = []*openDir{{name: ".", mode: 0o700}}
	archive, buf := tar.NewReader(plain), make([]byte, 256<<10)
	for {
		h, err := archive.Next()
		switch {
		case err == io.EOF:
			return t.members, t.leave(0)
		case err != nil:
			return 0, fmt.Errorf("read archive: %w", err)
		case ctx.Err() != nil:
			return 0, context.Cause(ctx)
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		name, err := t.local(h.Name)
		if err != nil {
			return 0, err
		}
		if !t.paths.match(name) {
			continue
		}
		if err := t.charge(h); err != nil {
			return 0, fmt.Errorf("extract %q: %w", h.Name, err)
		}
		if err := t.member(name, h, archive, buf); err != nil {
			return 0, fmt.Errorf("extract %q: %w", h.Name, err)
		}
	}
}

// charge returns an error for a member that writes more than the archive holds.
// A sparse member is a few bytes that stand for any number of zeros; files are
// archived without.
func (t *tree) charge(h *tar.Header) error {
	sparse := h.Typeflag == tar.TypeGNUSparse
	for record := range h.PAXRecords {
		sparse = sparse || strings.HasPrefix(record, "GNU.sparse.")
	}
	if sparse {
		return fmt.Errorf("is a sparse file, which no backup holds: %w", holdfast.ErrCorrupt)
	}
	if t.left -= h.Size; t.left < 0 {
		return fmt.Errorf("larger than the archive that it is in: %w", holdfast.ErrCorrupt)
	}
	return nil
}

// local returns the name of a member, or of a hard link's target, as a clean
// path inside the tree. A name with ".." in it is an error: no backup has one.
func (t *tree) local(name string) (string, error) {
	inside := strings.TrimLeft(name, "/")
	if inside != name && !t.absolute {
		t.absolute = true
		t.warn(fmt.Sprintf("archive: removing the leading / from member names, such as %q", name))
	}
	if slices.Contains(strings.Split(inside, "/"), "..") {
		return "", fmt.Errorf("extract %q: leads out of the archive", name)
	}
	return path.Clean(inside), nil
}

func (t *tree) member(name string, h *tar.Header, content io.Reader, buf []byte) error {
	switch h.Typeflag {
	case tar.TypeDir:
		if err := t.enter(name); err != nil {
			return err
		}
		t.open[len(t.open)-1].header = h
		t.members++
		return nil
	case tar.TypeReg, tar.TypeCont, tar.TypeSymlink, tar.TypeLink:
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		t.warn(fmt.Sprintf("skipped %q: a device or pipe is not restored", h.Name))
		return nil
	default:
		t.warn(fmt.Sprintf("skipped %q: unknown kind of member %q", h.Name, h.Typeflag))
		return nil
	}
	if err := t.enter(path.Dir(name)); err != nil {
		return err
	}
	if err := t.clear(name); err != nil {
		return err
	}
	t.members++
	switch h.Typeflag {
	case tar.TypeSymlink:
		return t.symlink(name, h)
	case tar.TypeLink:
		return t.link(name, h)
	}
	return t.file(name, h, content, buf)
}

// clear makes way for a member that occurs again; the later one counts.
func (t *tree) clear(name string) error {
	info, err := t.root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.IsDir():
		return errors.New("is a directory already")
	}
	return t.root.Remove(name)
}

func (t *tree) file(name string, h *tar.Header, content io.Reader, buf []byte) error {
	f, err := t.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.CopyBuffer(struct{ io.Writer }{f}, content, buf); err != nil {
		return err
	}
	if t.owners != nil {
		if err := f.Chown(t.owners.of(h)); err != nil {
			return err
		}
	}
	if err := f.Chmod(t.mode(h)); err != nil { // after chown, which takes setuid away
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return t.root.Chtimes(name, h.ModTime, h.ModTime)
}

func (t *tree) symlink(name string, h *tar.Header) error {
	if err := t.root.Symlink(h.Linkname, name); err != nil {
		return err
	}
	if t.owners == nil {
		return nil
	}
	uid, gid := t.owners.of(h)
	return t.root.Lchown(name, uid, gid)
}

func (t *tree) link(name string, h *tar.Header) error {
	old, err := t.local(h.Linkname)
	if err != nil {
		return err
	}
	if !t.paths.covers(old) {
		return fmt.Errorf("is a hard link to %q, which has to be restored with it", h.Linkname)
	}
	info, err := t.root.Lstat(old)
	if err != nil {
		return fmt.Errorf("hard link: %w", err)
	}
	if !info.Mode().IsRegular() && info.Mode().Type() != fs.ModeSymlink {
		return fmt.Errorf("hard link to %q: is no file", h.Linkname)
	}
	return t.root.Link(old, name)
}

// mode returns what the member's mode becomes. Setuid, setgid and sticky mean
// something only together with the owner.
func (t *tree) mode(h *tar.Header) fs.FileMode {
	mode := h.FileInfo().Mode()
	if t.owners == nil {
		return mode.Perm()
	}
	return mode & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)
}
