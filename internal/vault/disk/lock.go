package disk

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/holdfast-backup/holdfast/internal/vault/layout"
)

// lockPoll is how often a lock that someone else holds is tried again. Locks are
// polled because waiting inside flock(2) would not end with the context.
const lockPoll = 5 * time.Millisecond

// Who else may hold a lock.
type sharing bool

const (
	alone  sharing = false
	shared sharing = true
)

// lock takes the lock file below the root, waiting until ctx ends. The lock dies
// with the process.
func (v *Vault) lock(ctx context.Context, name string, with sharing) (unlock func(), err error) {
	l, err := v.openLock(name)
	if err != nil {
		return nil, err
	}
	if err := l.take(ctx, with); err != nil {
		return nil, err
	}
	return l.release, nil
}

// lockPart takes the lock of a part, which the caller holds the upload's shared
// lock for. Its file is there only while somebody has the lock or waits for it, so
// that many parts don't mean many files: whoever gets the lock of a file that was
// removed meanwhile begins anew.
func (v *Vault) lockPart(ctx context.Context, id string, n int) (unlock func(), err error) {
	name := layout.UploadPath(id, partFile(n, "lock"))
	for {
		l, err := v.openLock(name)
		if err != nil {
			return nil, err
		}
		if err := l.take(ctx, alone); err != nil {
			return nil, err
		}
		held, err := l.file.Stat()
		if err != nil {
			l.release()
			return nil, err
		}
		if there, err := v.root.Lstat(name); err == nil && os.SameFile(held, there) {
			return func() {
				v.root.Remove(name)
				l.release()
			}, nil
		}
		l.release()
	}
}

// tryLock takes the lock file if it is free.
func (v *Vault) tryLock(name string) (unlock func(), ok bool) {
	f, err := v.openPlain(name, os.O_RDONLY)
	if err != nil {
		return nil, false
	}
	l := locking{f}
	if err := l.try(alone); err != nil {
		l.release()
		return nil, false
	}
	return l.release, true
}

// locking is a lock file that is open. It is locked by flock(2) itself and not with
// gofrs/flock, as package push does it: that opens a path, and where somebody has put
// a link it would make a file wherever that leads.
type locking struct{ file *os.File }

// openLock opens a lock file, and makes it where it is missing.
func (v *Vault) openLock(name string) (locking, error) {
	for range openAttempts {
		f, err := v.openPlain(name, os.O_RDONLY)
		if errors.Is(err, fs.ErrNotExist) {
			// Only what was not there: a link, too, is.
			f, err = v.root.OpenFile(name, os.O_RDONLY|os.O_CREATE|os.O_EXCL, fileMode)
		}
		if !errors.Is(err, fs.ErrExist) {
			return locking{f}, err
		}
	}
	return locking{}, errNotPlain
}

// take waits for the lock until ctx ends. On an error the file is closed.
func (l locking) take(ctx context.Context, with sharing) error {
	err := ctx.Err()
	for err == nil {
		if err = l.try(with); !errors.Is(err, syscall.EWOULDBLOCK) {
			break
		}
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-time.After(lockPoll):
			err = nil
		}
	}
	if err != nil {
		l.release()
	}
	return err
}

// try takes the lock if it is free; syscall.EWOULDBLOCK if not.
func (l locking) try(with sharing) error {
	how := syscall.LOCK_EX
	if with == shared {
		how = syscall.LOCK_SH
	}
	return syscall.Flock(int(l.file.Fd()), how|syscall.LOCK_NB)
}

// release lets go of the lock. It is not left to closing the file, which a process
// that is just being started may have open for a moment too.
func (l locking) release() {
	_ = syscall.Flock(int(l.file.Fd()), syscall.LOCK_UN)
	l.file.Close()
}
