package sftp

import (
	"fmt"
	"io/fs"
	"path"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/vault/layout"
)

// checkKey is holdfast.CheckKey where an object may have to be written in place, with a
// mark beside it.
func checkKey(key string) error { return holdfast.CheckKey(key, layout.MaxMarkedName) }

// seen is what lies at a key.
type seen struct {
	info   fs.FileInfo // of the object, whole or not; nil if there is none
	dir    bool        // the directory that it lies in is there
	hidden bool        // the object was begun in place and is not done
	begun  bool
	done   bool
}

// there reports whether there is an object.
func (s seen) there() bool { return s.info != nil && !s.hidden }

// look returns what lies at the key, all at once. Symbolic links are not followed,
// not even inside the root, as far as the server does as it says: what is one, or
// lies behind one, is not there.
func (o op) look(key string) (seen, error) {
	names := []string{key, layout.BegunMark(key), layout.DoneMark(key)}
	for dir := path.Dir(key); dir != "."; dir = path.Dir(dir) {
		names = append(names, dir)
	}
	infos := make([]fs.FileInfo, len(names))
	for _, err := range together(len(names), func(i int) (err error) {
		infos[i], err = o.lstat(names[i])
		return err
	}) {
		if err != nil && !isNotExist(err) {
			return seen{}, err
		}
	}
	s := seen{info: infos[0], dir: true, begun: infos[1] != nil, done: infos[2] != nil}
	for i, dir := range infos[3:] {
		if dir != nil && !dir.IsDir() {
			// A file, or a link to somewhere else.
			return seen{}, fmt.Errorf("%q is no directory: %w", names[3+i], holdfast.ErrNotExist)
		}
		s.dir = s.dir && dir != nil
	}
	s.hidden = s.begun && !s.done && (s.info == nil || layout.Hides(infos[1].ModTime(), s.info.ModTime()))
	if s.info != nil && !s.info.Mode().IsRegular() {
		return seen{}, fmt.Errorf("it is no plain file: %w", holdfast.ErrNotExist)
	}
	return s, nil
}
