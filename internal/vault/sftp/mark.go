package sftp

import (
	"io/fs"
	"path"
	"strings"
	"time"
)

// Marks stand beside an object that Put writes in place, on a server that forbids
// both to rename and to remove. They are directories, because making one is the
// only thing that such a server does whole or not at all.
const (
	begunSuffix = ".begun"
	doneSuffix  = ".done"
)

// markSlack is by how much a mark may be younger than its object. An object was last
// written after it was begun; a mark that somebody makes beside an old one, to have
// it taken for unfinished and swept, hides nothing.
const markSlack = time.Minute

func begunMark(key string) string { return mark(key, begunSuffix) }
func doneMark(key string) string  { return mark(key, doneSuffix) }

func mark(key, suffix string) string {
	dir, name := path.Split(key)
	return dir + "." + name + suffix
}

// hides reports whether a mark makes an object one that is begun and not done.
func hides(begun, object time.Time) bool { return !begun.After(object.Add(markSlack)) }

// marks are the marks among the names of one directory, and when they were made.
type marks map[string]time.Time

func (m marks) add(info fs.FileInfo) {
	name := info.Name()
	if strings.HasPrefix(name, ".") && (strings.HasSuffix(name, begunSuffix) || strings.HasSuffix(name, doneSuffix)) {
		m[name] = info.ModTime()
	}
}

func (m marks) has(name string) bool {
	_, ok := m[name]
	return ok
}

// hide reports whether the object is begun and not done.
func (m marks) hide(object fs.FileInfo) bool {
	begun, ok := m[begunMark(object.Name())]
	return ok && !m.has(doneMark(object.Name())) && hides(begun, object.ModTime())
}
