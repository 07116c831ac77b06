package sftp

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	pkgsftp "github.com/pkg/sftp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/vault/layout"
)

// errInPlace says that there is no other way than to write in place.
var errInPlace = errors.New("the server allows neither to link nor to rename")

// place makes the finished file appear under key, whole and never in place of
// something; fs.ErrExist if the key is taken. Where it was linked the file keeps
// its old name too. errInPlace if the server allows none of it.
func (o op) place(file, key string) error {
	for {
		w, err := o.way()
		if err != nil {
			return err
		}
		switch w {
		case byLink:
			err = o.taken(key, o.link(file, key))
		case byRename:
			err = o.renameNew(file, key)
		default:
			return errInPlace
		}
		switch {
		case forbidden(err):
			o.forbid(w)
		case isNotExist(err):
			// The directory: never there, or removed with the last object in it.
			if _, err := o.lstat(file); err != nil {
				return err
			}
			if err := o.makeDirs(path.Dir(key)); err != nil {
				return err
			}
		default:
			return err
		}
		if err := o.ctx.Err(); err != nil {
			return err
		}
	}
}

// placing is a file on its way to its name, over several attempts: after one whose
// answer was lost, the name may be taken by what that one has put there.
type placing struct {
	file, key string
	tried     bool
}

// write makes the file under a temporary name, and gives it its own; fs.ErrExist if
// that is somebody else's.
func (p *placing) write(o op, body []byte) error {
	if !p.tried {
		p.file = layout.TempPath(layout.NewID())
		if err := o.writeFile(p.file, body); err != nil {
			_ = o.remove(p.file)
			return err
		}
	}
	err := p.place(o)
	if !isLost(err) {
		_ = o.remove(p.file) // a further name of what was linked, or of what was not wanted
	}
	return err
}

// place gives a file that is written its name.
func (p *placing) place(o op) error {
	again := p.tried
	p.tried = true
	err := o.place(p.file, p.key)
	switch {
	case !again:
	case errors.Is(err, fs.ErrExist):
		if same, unknown := o.same(p.file, p.key); same || unknown != nil {
			return unknown
		}
	case isNotExist(err):
		// What is not under its first name any more was renamed.
		_, err = o.lstat(p.key)
	}
	return err
}

// same reports whether both names are of one file: a change to one shows at the
// other. False where that can't be tried.
func (o op) same(a, b string) (bool, error) {
	infos := make([]fs.FileInfo, 2)
	for i, name := range []string{a, b} {
		info, err := o.lstat(name)
		if err != nil {
			return false, err
		}
		infos[i] = info
	}
	was := infos[0].ModTime()
	if !infos[1].ModTime().Equal(was) || infos[0].Size() != infos[1].Size() {
		return false, nil
	}
	if err := o.setTime(a, was.Add(-time.Second)); err != nil {
		if forbidden(err) {
			err = nil
		}
		return false, err
	}
	after, err := o.lstat(b)
	if err != nil {
		return false, err
	}
	return after.ModTime().Equal(was.Add(-time.Second)), o.setTime(a, was)
}

// renameNew renames file to key unless that is taken. OpenSSH's rename refuses
// that by itself, without a gap; of others this is hoped.
func (o op) renameNew(file, key string) error {
	if !o.s.conn.openssh {
		if _, err := o.lstat(key); !isNotExist(err) {
			return cmp.Or(err, fs.ErrExist)
		}
	}
	return o.taken(key, o.rename(file, key))
}

// writeFile makes a file that holds body and is flushed, in one of the vault's own
// directories, which it makes.
func (o op) writeFile(name string, body []byte) error {
	f, err := o.create(name)
	if isNotExist(err) {
		if err = o.makeDirs(path.Dir(name)); err == nil {
			f, err = o.create(name)
		}
	}
	if err != nil {
		return err
	}
	return o.fill(f, body)
}

// fill writes body from the beginning of an open file, flushes and closes it.
func (o op) fill(f *pkgsftp.File, body []byte) error {
	o.s.enter()
	_, err := f.WriteAt(body, 0)
	o.s.leave()
	if err = o.full(o.s.cause(err)); err == nil {
		err = o.full(o.flush(f))
	}
	if closing := o.close(f); err == nil && closing != nil {
		err = o.full(closing)
	}
	if err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// notExist makes the vault contract's error of the file system's.
func notExist(err error) error {
	if isNotExist(err) {
		return holdfast.ErrNotExist
	}
	return err
}
