package disk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"slices"
	"strings"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/vault/layout"
)

// List implements holdfast.Lister. It holds one directory of each level in
// memory. What appears or vanishes while it runs may or may not be shown. A directory
// that is closed to us is passed over where layout.PassesOver says so; who asks for
// what lies in that one alone gets the error.
func (v *Vault) List(ctx context.Context, prefix string) iter.Seq2[holdfast.Object, error] {
	return func(yield func(holdfast.Object, error) bool) {
		w := walk{ctx: ctx, prefix: prefix, yield: yield}
		// Straight to the directory that the prefix names, past the neighbours.
		at := prefix[:strings.LastIndexByte(prefix, '/')+1]
		if at == "" {
			w.dir(v.root, ".", at, nil)
			return
		}
		dir := strings.TrimSuffix(at, "/")
		if !w.alive() || checkKey(dir) != nil {
			return
		}
		switch ok, err := v.isDir(dir); {
		case err != nil:
			w.fail(err)
		case ok:
			w.dir(v.root, dir, at, nil)
		}
	}
}

// walk is one run of List.
type walk struct {
	ctx    context.Context
	prefix string
	yield  func(holdfast.Object, error) bool
}

// fail ends the sequence with an error.
func (w *walk) fail(err error) bool {
	w.yield(holdfast.Object{}, fmt.Errorf("list %q: %w", w.prefix, cause(err)))
	return false
}

func (w *walk) alive() bool {
	if err := w.ctx.Err(); err != nil {
		return w.fail(err)
	}
	return true
}

// dir walks the directory name of parent, whose keys begin with at; it reports
// whether to go on. A directory that vanished a moment ago, because its last
// object was deleted, is an empty one; without the root there is no vault. info is of
// the directory, nil for the one that was asked for.
func (w *walk) dir(parent *os.Root, name, at string, info fs.FileInfo) bool {
	if !w.alive() {
		return false
	}
	entries, err := readDir(parent, name)
	if errors.Is(err, fs.ErrNotExist) && at != "" {
		return true
	}
	if errors.Is(err, fs.ErrPermission) && info != nil && layout.PassesOver(at) {
		return w.yield(holdfast.Object{Key: at, ModTime: info.ModTime().UTC()}, nil)
	}
	if err != nil {
		return w.fail(err)
	}
	// Opened for the directories in it alone: most have none.
	var root *os.Root
	for _, e := range entries {
		key := at + e.name
		if !e.info.IsDir() {
			o := holdfast.Object{Key: key, Size: e.info.Size(), ModTime: e.info.ModTime().UTC()}
			if strings.HasPrefix(key, w.prefix) && !w.yield(o, nil) {
				return false
			}
			continue
		}
		if !strings.HasPrefix(key, w.prefix) && !strings.HasPrefix(w.prefix, key) {
			continue
		}
		if root == nil {
			root, err = parent.OpenRoot(name)
			if errors.Is(err, fs.ErrNotExist) && at != "" {
				return true
			}
			if err != nil {
				return w.fail(err)
			}
			defer root.Close()
		}
		if !w.dir(root, e.info.Name(), key, e.info) {
			return false
		}
	}
	return true
}

// entry is a directory or plain file; the name of a directory ends in a slash.
type entry struct {
	name string
	info fs.FileInfo
}

// readDir returns what is in the directory name of parent, in the byte order of
// full keys: "a-b/" sorts before "a/". Links, the vault's own names, and objects
// that are begun and not done are left out.
func readDir(parent *os.Root, name string) ([]entry, error) {
	f, err := parent.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	all, err := f.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	m, infos := layout.Marks{}, make([]fs.FileInfo, 0, len(all))
	for _, e := range all {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		m.Add(info)
		infos = append(infos, info)
	}
	entries := make([]entry, 0, len(infos))
	for _, info := range infos {
		switch name := info.Name(); {
		case layout.Own(name):
		case info.IsDir():
			entries = append(entries, entry{name + "/", info})
		case info.Mode().IsRegular() && !m.Hide(info):
			entries = append(entries, entry{name, info})
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.name, b.name) })
	return entries, nil
}
