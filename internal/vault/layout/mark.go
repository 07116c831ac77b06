package layout

import (
	"io/fs"
	"path"
	"strings"
	"time"
)

const (
	begunSuffix = ".begun"
	doneSuffix  = ".done"
)

// markSlack is by how much a mark may be younger than its object. An object was last
// written after it was begun; a mark that somebody makes beside an old one, to have
// it taken for unfinished and swept, hides nothing.
const markSlack = time.Minute

// BegunMark returns the name of what is there while an object is written in place,
// and after.
func BegunMark(key string) string { return mark(key, begunSuffix) }

// DoneMark returns the name of what is there once it is whole.
func DoneMark(key string) string { return mark(key, doneSuffix) }

func mark(key, suffix string) string {
	dir, name := path.Split(key)
	return dir + "." + name + suffix
}

// Hides reports whether a mark that was made at the time begun hides an object that
// was last written at the time object, as long as that is not done.
func Hides(begun, object time.Time) bool { return !begun.After(object.Add(markSlack)) }

// Marks are the marks among the names of one directory, and when they were made.
type Marks map[string]time.Time

// Add takes note of what is in the directory, if it is a mark.
func (m Marks) Add(info fs.FileInfo) {
	name := info.Name()
	if Own(name) && (strings.HasSuffix(name, begunSuffix) || strings.HasSuffix(name, doneSuffix)) {
		m[name] = info.ModTime()
	}
}

// Has reports whether the name is that of a mark.
func (m Marks) Has(name string) bool {
	_, ok := m[name]
	return ok
}

// Hide reports whether the object is begun and not done.
func (m Marks) Hide(object fs.FileInfo) bool {
	begun, ok := m[BegunMark(object.Name())]
	return ok && !m.Has(DoneMark(object.Name())) && Hides(begun, object.ModTime())
}
