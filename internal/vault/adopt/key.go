package adopt

import (
	"strings"

	"github.com/holdfast-backup/holdfast"
)

// IsOwn reports whether a key is where Holdfast puts what is its own. Such an object
// is never adopted: a pattern that matches Holdfast's backups must not show them
// twice, and must not delete them.
func IsOwn(key string) bool {
	first, rest, _ := strings.Cut(key, "/")
	switch first + "/" {
	case holdfast.StatePrefix, holdfast.ScratchPrefix:
		return true
	case holdfast.BackupsPrefix:
		parts := strings.SplitN(rest, "/", 4)
		return len(parts) == 4 && isJob(parts[0], parts[1]) && isID(parts[2])
	case holdfast.ReportsPrefix:
		parts := strings.Split(rest, "/")
		return len(parts) == 3 && isJob(parts[0], parts[1]) && isID(strings.TrimSuffix(parts[2], ".json"))
	}
	return false
}

func isJob(host, job string) bool {
	return holdfast.CheckName("host", host) == nil && holdfast.CheckName("job", job) == nil
}

func isID(s string) bool {
	_, err := holdfast.ParseID(s)
	return err == nil
}

// Usable reports whether a path is one that a file can be adopted by: what some
// vault could not open or delete by its name, and what is hidden, cannot.
func Usable(key string) bool { return holdfast.CheckKey(key, maxSegment) == nil }

// maxSegment is how long a name of a file or folder may be, in bytes: shorter than any
// vault's longest.
const maxSegment = 200

// fileName returns the name of a data object for what is left of a file's name without
// its time.
func fileName(rest string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == '-':
			return r
		}
		return '-'
	}, rest)
	if strings.HasPrefix(name, ".") {
		name = "backup" + name
	}
	for strings.Contains(name, "..") {
		name = strings.ReplaceAll(name, "..", ".")
	}
	name = strings.Trim(name, "-_.")
	if holdfast.CheckFile(name) != nil {
		return "backup"
	}
	return name
}
