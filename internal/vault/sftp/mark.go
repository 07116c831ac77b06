package sftp

import (
	"path"
	"strings"
)

// Marks stand beside an object that Put writes in place, on a server that forbids
// both to rename and to remove. They are directories, because making one is the
// only thing that such a server does whole or not at all.
const (
	begunSuffix = ".begun"
	doneSuffix  = ".done"
)

func begunMark(key string) string { return mark(key, begunSuffix) }
func doneMark(key string) string  { return mark(key, doneSuffix) }

func mark(key, suffix string) string {
	dir, name := path.Split(key)
	return dir + "." + name + suffix
}

// marks are the marks among the names of one directory.
type marks map[string]bool

func (m marks) add(name string) {
	if strings.HasPrefix(name, ".") && (strings.HasSuffix(name, begunSuffix) || strings.HasSuffix(name, doneSuffix)) {
		m[name] = true
	}
}

// hide reports whether the object of that name is begun and not done.
func (m marks) hide(name string) bool {
	return m[begunMark(name)] && !m[doneMark(name)]
}
