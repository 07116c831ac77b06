package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/secret"
)

// host looks at what lies on this host.
func (d *doctor) host() []holdfast.Examination {
	return []holdfast.Examination{d.configFile(), d.keyFile(), d.recipients(), d.writable("state directory", d.StateDir)}
}

func (d *doctor) configFile() holdfast.Examination {
	const name = "configuration"
	info, err := os.Stat(d.ConfigPath)
	if err != nil {
		return bad(name, err, "")
	}
	if info.Mode().Perm()&0o022 != 0 {
		return bad(name, fmt.Errorf("%s: mode %04o lets others change what is run", d.ConfigPath, info.Mode().Perm()), "chmod go-w "+d.ConfigPath)
	}
	return good(name, d.ConfigPath)
}

func (d *doctor) keyFile() holdfast.Examination {
	const name = "host key"
	if err := secret.CheckMode(d.Config.Key); err != nil {
		return bad(name, err, "chmod 0600 "+d.Config.Key)
	}
	return good(name, d.Config.Key+", for its owner alone")
}

// writable makes the directory if it is not there, and a file in it.
func (d *doctor) writable(name, dir string) holdfast.Examination {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return bad(name, err, "make it for the user that runs pusher")
	}
	f, err := os.CreateTemp(dir, ".doctor-")
	if err != nil {
		return bad(name, err, "let the user that runs pusher write there")
	}
	if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
		return bad(name, err, "")
	}
	free, err := freeBytes(dir)
	if err != nil {
		return bad(name, err, "")
	}
	return good(name, fmt.Sprintf("%s, %s free", dir, free))
}

func freeBytes(dir string) (holdfast.Size, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("free space of %q: %w", dir, err)
	}
	return holdfast.Size(s.Bavail) * holdfast.Size(s.Bsize), nil
}

// hooks looks whether the programs are there.
func hooks(h config.Hooks) []holdfast.Examination {
	var all []holdfast.Examination
	for _, command := range append(append([][]string{}, h.Pre...), h.Post...) {
		name := "hook " + filepath.Base(command[0])
		path, err := exec.LookPath(command[0])
		if failed, ok := errors.AsType[*exec.Error](err); ok {
			err = failed.Err // the name stands before it already
		}
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
			all = append(all, bad(name, err, "name it with its whole path: cron's PATH is short"))
			continue
		}
		if err != nil {
			all = append(all, bad(name, err, ""))
			continue
		}
		all = append(all, good(name, path))
	}
	return all
}
