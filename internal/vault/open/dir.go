package open

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// refused is an error with advice, which the commands print.
type refused struct{ text, hint string }

func (r refused) Error() string { return r.text }

// Hint returns what to do about it.
func (r refused) Hint() string { return r.hint }

// checkDir looks at the directory of a disk vault before it is opened. A vault
// that is gone must not pass for one without backups, and root must not leave
// files in it that the server's user cannot read.
func checkDir(path string, create bool) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if create {
			return nil
		}
		return refused{fmt.Sprintf("open vault %q: there is no such directory", path), "is its disk mounted? `holdfast serve` makes a new vault"}
	}
	if err != nil {
		return fmt.Errorf("open vault: %w", err)
	}
	owner := info.Sys().(*syscall.Stat_t).Uid
	if os.Geteuid() == 0 && owner != 0 {
		name := strconv.Itoa(int(owner))
		if u, err := user.LookupId(name); err == nil {
			name = u.Username
		}
		return refused{fmt.Sprintf("open vault %q: it belongs to %s, and what root writes there %s could not read", path, name, name),
			fmt.Sprintf("run it as that user: runuser -u %s -- holdfast …", name)}
	}
	if create {
		return nil
	}
	return checkNotEmpty(path)
}

func checkNotEmpty(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open vault: %w", err)
	}
	defer dir.Close()
	_, err = dir.Readdirnames(1)
	if errors.Is(err, io.EOF) {
		return refused{fmt.Sprintf("open vault %q: the directory is empty", path), "is its disk mounted? `holdfast serve` makes a new vault"}
	}
	if err != nil {
		return fmt.Errorf("open vault: %w", err)
	}
	return nil
}
