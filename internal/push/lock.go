package push

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
	"github.com/holdfast-backup/holdfast"
)

// lock takes the lock of a job in dir without waiting, or returns ErrRunning. The
// kernel releases it when the process ends, however it ends.
func lock(dir, job string) (unlock func(), err error) {
	if err := holdfast.CheckName("job", job); err != nil {
		return nil, err // it becomes part of a path
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make state directory: %w", err)
	}
	l := flock.New(filepath.Join(dir, job+".lock"), flock.SetPermissions(0o600))
	ok, err := l.TryLock()
	switch {
	case err != nil:
		return nil, fmt.Errorf("lock job %q: %w", job, err)
	case !ok:
		return nil, fmt.Errorf("job %q %w", job, ErrRunning)
	}
	return func() { l.Close() }, nil
}
