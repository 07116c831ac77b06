package files

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"os/user"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// addFile archives a regular file. Its size is fixed when its header is written:
// what grows beyond it is left out, what is missing is filled with zeros, and
// both are told.
func (a *archiver) addFile(at place, st unix.Stat_t) error {
	id := inode{st.Dev, st.Ino}
	if first, ok := a.links[id]; ok && st.Nlink > 1 {
		h := a.header(at, st)
		h.Typeflag, h.Linkname = tar.TypeLink, first
		a.facts.Stats["files"]++
		return a.write(h)
	}
	file, err := at.open(0)
	if err != nil {
		return a.lost(at, err)
	}
	defer file.Close()
	// What was opened counts, not what was there before.
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		return a.lost(at, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		a.changed(at, "became something else before it was read, and is not stored")
		return nil
	}
	if a.look != nil {
		a.facts.Stats["files"]++
		return nil
	}
	h := a.header(at, st)
	h.Typeflag, h.Size = tar.TypeReg, st.Size
	if err := a.write(h); err != nil {
		return err
	}
	n, err := a.copy(file, st.Size)
	switch {
	case err != nil && n < 0:
		return fmt.Errorf("archive %q: %w", at.path, cause(err))
	case err != nil && !a.options.SkipUnreadable:
		return &UnreadableError{at.path, cause(err)}
	}
	if n < st.Size {
		if err := a.pad(st.Size - n); err != nil {
			return err
		}
	}
	a.facts.Stats["files"]++
	a.facts.Stats["bytes"] += n
	if st.Nlink > 1 {
		a.links[inode{st.Dev, st.Ino}] = h.Name
	}
	var after unix.Stat_t
	switch {
	case err != nil:
		a.facts.Stats["skipped"]++
		a.facts.Warn(fmt.Sprintf("%q: unreadable after %d bytes, the rest is filled with zeros: %v", at.path, n, cause(err)))
	case n < st.Size:
		a.changed(at, fmt.Sprintf("changed while read: %d of %d bytes were left, the rest is filled with zeros", n, st.Size))
	case unix.Fstat(int(file.Fd()), &after) == nil && (after.Size != st.Size || after.Mtim != st.Mtim):
		a.changed(at, "changed while read")
	}
	return nil
}

// copy copies up to size bytes and returns how many there were. n is -1 if it
// is the archive that could not be written, or if the context has ended.
func (a *archiver) copy(r io.Reader, size int64) (n int64, err error) {
	if a.buf == nil {
		a.buf = make([]byte, 256<<10)
	}
	for n < size {
		if a.ctx.Err() != nil {
			return -1, context.Cause(a.ctx)
		}
		got, err := r.Read(a.buf[:min(int64(len(a.buf)), size-n)])
		if got > 0 {
			if _, err := a.tar.Write(a.buf[:got]); err != nil {
				return -1, err
			}
			n += int64(got)
		}
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// pad writes zeros.
func (a *archiver) pad(n int64) error {
	clear(a.buf)
	for n > 0 {
		if a.ctx.Err() != nil {
			return context.Cause(a.ctx)
		}
		take := min(n, int64(len(a.buf)))
		if _, err := a.tar.Write(a.buf[:take]); err != nil {
			return err
		}
		n -= take
	}
	return nil
}

// header returns what all kinds of entries have.
func (a *archiver) header(at place, st unix.Stat_t) *tar.Header {
	return &tar.Header{
		Format:  tar.FormatPAX,
		Name:    strings.TrimPrefix(at.path, "/"),
		Mode:    int64(st.Mode &^ unix.S_IFMT),
		Uid:     int(st.Uid),
		Gid:     int(st.Gid),
		Uname:   a.owners.user(st.Uid),
		Gname:   a.owners.group(st.Gid),
		ModTime: time.Unix(st.Mtim.Unix()),
	}
}

// owners remembers the names of users and groups; one without a name is "".
type owners struct{ users, groups map[uint32]string }

func (o *owners) user(id uint32) string {
	return remember(&o.users, id, func(s string) string {
		if u, err := user.LookupId(s); err == nil {
			return u.Username
		}
		return ""
	})
}

func (o *owners) group(id uint32) string {
	return remember(&o.groups, id, func(s string) string {
		if g, err := user.LookupGroupId(s); err == nil {
			return g.Name
		}
		return ""
	})
}

func remember(names *map[uint32]string, id uint32, look func(string) string) string {
	if name, ok := (*names)[id]; ok {
		return name
	}
	if *names == nil {
		*names = make(map[uint32]string)
	}
	name := look(strconv.FormatUint(uint64(id), 10))
	(*names)[id] = name
	return name
}
