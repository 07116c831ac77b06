package sftp

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/vault/layout"
)

// listAhead is how many directories beside each other are read at once.
const listAhead = 32

// List implements holdfast.Lister. It reads each directory once, several ahead of
// the one that is shown, and holds a few of each level in memory. What appears or
// vanishes while it runs may or may not be shown. A directory that the server refuses
// to list is passed over where layout.PassesOver says so; who asks for what lies in
// that one alone gets the error.
func (v *Vault) List(ctx context.Context, prefix string) iter.Seq2[holdfast.Object, error] {
	return func(yield func(holdfast.Object, error) bool) {
		// What is read ahead is not waited for once the caller has enough.
		within, cancel := context.WithCancel(ctx)
		defer cancel()
		w := walk{v: v, ctx: within, prefix: prefix, yield: yield}
		// Straight to the directory that the prefix names, past the neighbours.
		at := prefix[:strings.LastIndexByte(prefix, '/')+1]
		dir := strings.TrimSuffix(at, "/")
		if dir != "" && checkKey(dir) != nil {
			if err := ctx.Err(); err != nil {
				w.fail(err)
			}
			return
		}
		ok, err := do(within, v, func(o op) (bool, error) { return o.isDir(dir) })
		switch {
		case err != nil:
			w.fail(err)
		case ok:
			w.dir(w.read(dir), at, nil)
		}
	}
}

// isDir reports whether dir and every directory above it is one, and no link.
func (o op) isDir(dir string) (bool, error) {
	if dir == "" {
		return true, nil
	}
	var names []string
	for ; dir != "."; dir = path.Dir(dir) {
		names = append(names, dir)
	}
	infos := make([]fs.FileInfo, len(names))
	for i, err := range together(len(names), func(i int) (err error) {
		infos[i], err = o.lstat(names[i])
		return err
	}) {
		if isNotExist(err) || err == nil && !infos[i].IsDir() {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

// walk is one run of List.
type walk struct {
	v      *Vault
	ctx    context.Context
	prefix string
	yield  func(holdfast.Object, error) bool
}

// fail ends the sequence with an error.
func (w *walk) fail(err error) bool {
	w.yield(holdfast.Object{}, w.v.wrap("list", w.prefix, err))
	return false
}

// listing is a directory that is being read.
type listing chan listed

type listed struct {
	entries []entry
	err     error
}

// entry is an object, a document or a directory; the name of a directory ends in a
// slash.
type entry struct {
	name string
	info fs.FileInfo
	// document is the directory with the generations, where it is one.
	document bool
}

// read begins to read a directory. One that vanished a moment ago, because its last
// object was deleted, is an empty one; without the root there is no vault.
func (w *walk) read(dir string) listing {
	answer := make(listing, 1)
	go func() {
		all, err := do(w.ctx, w.v, func(o op) ([]fs.FileInfo, error) { return o.readDir(dir) })
		if isNotExist(err) {
			err = nil
			if dir == "" {
				err = ErrNoDirectory
			}
		}
		answer <- listed{entries(all, dir), err}
	}()
	return answer
}

// readDocument begins to look up the newest generation of a document.
func (w *walk) readDocument(key string) listing {
	answer := make(listing, 1)
	go func() {
		g, err := do(w.ctx, w.v, func(o op) (generation, error) { return o.newest(key) })
		if err != nil {
			if errors.Is(err, holdfast.ErrNotExist) {
				err = nil
			}
			answer <- listed{err: err}
			return
		}
		answer <- listed{entries: []entry{{name: path.Base(key), info: g.info}}}
	}()
	return answer
}

// dir shows a directory whose keys begin with at; it reports whether to go on. info is
// of the directory, nil for the one that was asked for.
func (w *walk) dir(here listing, at string, info fs.FileInfo) bool {
	var got listed
	select {
	case got = <-here:
	case <-w.ctx.Done():
		got.err = w.ctx.Err()
	}
	if errors.Is(got.err, ErrDenied) && info != nil && layout.PassesOver(at) {
		return w.yield(holdfast.Object{Key: at, ModTime: info.ModTime().UTC()}, nil)
	}
	if got.err != nil {
		return w.fail(got.err)
	}
	wanted := got.entries[:0]
	for _, e := range got.entries {
		key := at + e.name
		if strings.HasPrefix(key, w.prefix) || e.name[len(e.name)-1] == '/' && strings.HasPrefix(w.prefix, key) {
			wanted = append(wanted, e)
		}
	}
	return w.show(wanted, at)
}

// show shows the entries of a directory, and reads the next ones meanwhile.
func (w *walk) show(entries []entry, at string) bool {
	ahead, next := map[int]listing{}, 0
	for i, e := range entries {
		for ; next < len(entries) && len(ahead) < listAhead; next++ {
			switch n := entries[next]; {
			case n.document:
				ahead[next] = w.readDocument(at + n.name)
			case strings.HasSuffix(n.name, "/"):
				ahead[next] = w.read(at + strings.TrimSuffix(n.name, "/"))
			}
		}
		below := ahead[i]
		delete(ahead, i)
		switch {
		case below == nil:
			o := holdfast.Object{Key: at + e.name, Size: e.info.Size(), ModTime: e.info.ModTime().UTC()}
			if !w.yield(o, nil) {
				return false
			}
		case e.document:
			if !w.dir(below, at, nil) {
				return false
			}
		default:
			if !w.dir(below, at+e.name, e.info) {
				return false
			}
		}
	}
	return true
}

// entries returns what is to be shown of a directory, in the byte order of full
// keys: "a-b/" sorts before "a/". Links, the vault's own names, and objects that
// are begun and not done are left out.
func entries(all []fs.FileInfo, dir string) []entry {
	m := layout.Marks{}
	for _, info := range all {
		m.Add(info)
	}
	state := dir + "/"
	documents := strings.HasPrefix(state, holdfast.StatePrefix)
	shown := make([]entry, 0, len(all))
	seen := map[string]bool{}
	for _, info := range all {
		name := info.Name()
		switch {
		case documents && info.IsDir() && layout.Own(name) && !m.Has(name):
			seen[name[1:]] = true
			shown = append(shown, entry{name: name[1:], document: true})
		case layout.Own(name):
		case info.IsDir():
			shown = append(shown, entry{name: name + "/", info: info})
		case info.Mode().IsRegular() && !m.Hide(info):
			shown = append(shown, entry{name: name, info: info})
		}
	}
	// A document hides the plain file of the same name.
	shown = slices.DeleteFunc(shown, func(e entry) bool { return !e.document && seen[e.name] })
	slices.SortFunc(shown, func(a, b entry) int { return cmp.Compare(a.name, b.name) })
	return shown
}

func sortedByName(all []fs.FileInfo) []fs.FileInfo {
	slices.SortFunc(all, func(a, b fs.FileInfo) int { return cmp.Compare(a.Name(), b.Name()) })
	return all
}
