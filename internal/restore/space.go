package restore

import (
	"fmt"
	"os"

	"github.com/holdfast-backup/holdfast"
	"golang.org/x/sys/unix"
)

// checkSpace returns ErrNoSpace if the plain streams are larger than what is free
// on the file system of the directory: by the manifest's word, which is the
// host's, and before anything is written.
func checkSpace(root *os.Root, streams ...holdfast.Stream) error {
	dir, err := root.Open(".")
	if err != nil {
		return fmt.Errorf("restore into directory: %w", err)
	}
	defer dir.Close()
	var stat unix.Statfs_t
	if err := unix.Fstatfs(int(dir.Fd()), &stat); err != nil {
		return fmt.Errorf("look for room in %q: %w", root.Name(), err)
	}
	free := uint64(stat.Bsize) * stat.Bavail
	for _, s := range streams {
		if uint64(s.PlainSize) > free {
			return fmt.Errorf("%q: stream %q of %s: %w", root.Name(), s.Name, holdfast.Size(s.PlainSize), ErrNoSpace)
		}
		free -= uint64(s.PlainSize)
	}
	return nil
}
