package open

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// refused is an error with advice, which the commands print.
type refused struct{ text, hint string }

func (r refused) Error() string { return r.text }

// Hint returns what to do about it.
func (r refused) Hint() string { return r.hint }

// barred is a refusal by the system.
type barred struct {
	refused
	cause error
}

func (b barred) Unwrap() error { return b.cause }

// absent is what to do where a vault should be and is not.
const absent = "is its disk mounted? if there never was a vault, `holdfast serve` begins one, and `holdfast copy --create` where it is the target"

// checkDir looks at the directory of a disk vault before it is opened. A vault
// that is gone must not pass for one without backups, and root must not leave
// files in it that the server's user cannot read. With create it makes the
// directory, and sees to it that a vault can be begun in it.
func checkDir(path string, create bool) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if create {
			return checkCanBegin(path)
		}
		return refused{fmt.Sprintf("open vault %q: there is no such directory", path), absent}
	}
	if err != nil {
		return closed(path, err)
	}
	if stat := info.Sys().(*syscall.Stat_t); os.Geteuid() == 0 && stat.Uid != 0 {
		name, as := owner(stat)
		return refused{fmt.Sprintf("open vault %q: it belongs to %s, and what root writes there %s could not read", path, name, name),
			fmt.Sprintf("run it as that user: %s holdfast …; or where no server writes there any more, make it root's: chown -R root: %s", as, quote(path))}
	}
	if create {
		return checkCanBegin(path)
	}
	return checkNotEmpty(path)
}

// owner returns the name of whom something belongs to, and how root runs a command
// as that user: one that came from another machine may have no name on this one.
func owner(stat *syscall.Stat_t) (name, as string) {
	id := strconv.Itoa(int(stat.Uid))
	if u, err := user.LookupId(id); err == nil {
		return u.Username, "runuser -u " + u.Username + " --"
	}
	return id, fmt.Sprintf("setpriv --reuid %s --regid %d --clear-groups", id, stat.Gid)
}

// checkCanBegin makes the directory where it is not there, and returns why nothing
// could be written there.
func checkCanBegin(path string) error {
	err := os.MkdirAll(path, 0o700)
	if err == nil {
		err = unix.Faccessat(unix.AT_FDCWD, path, unix.W_OK|unix.X_OK, unix.AT_EACCESS)
	}
	if err == nil {
		return nil
	}
	return closed(path, err)
}

// closed is the error of a directory that this user cannot use as a vault.
func closed(path string, err error) error {
	cause := err
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		cause = p.Err
	}
	text := fmt.Sprintf("open vault %q: %v", path, cause)
	me := strconv.Itoa(os.Geteuid())
	if u, err := user.LookupId(me); err == nil {
		me = u.Username
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return barred{refused{text, fmt.Sprintf("this runs as %s: run it as the user that the vault belongs to, or make a new one for %s: install -d -o %s -m 0700 %s", me, me, me, quote(path))}, cause}
	case errors.Is(err, unix.EROFS):
		return barred{refused{text, fmt.Sprintf("under systemd add ReadWritePaths=%s to the unit; else its file system is mounted read-only", path)}, cause}
	}
	return fmt.Errorf("open vault %q: %w", path, cause)
}

// quote returns a path as a shell has it.
func quote(path string) string {
	if strings.ContainsFunc(path, func(r rune) bool { return !strings.ContainsRune(plain, r) }) {
		return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	return path
}

// plain are characters that mean nothing to a shell.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-"

func checkNotEmpty(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return closed(path, err)
	}
	defer dir.Close()
	_, err = dir.Readdirnames(1)
	if errors.Is(err, io.EOF) {
		return refused{fmt.Sprintf("open vault %q: the directory is empty", path), absent}
	}
	if err != nil {
		return fmt.Errorf("open vault: %w", err)
	}
	return nil
}
