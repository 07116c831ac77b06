package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"

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
func (v *Vault) lock(ctx context.Context, name string, with sharing, flag int) (unlock func(), err error) {
	l := flock.New(filepath.Join(v.dir, name), flock.SetFlag(flag), flock.SetPermissions(fileMode))
	try := l.TryLockContext
	if with == shared {
		try = l.TryRLockContext
	}
	ok, err := try(ctx, lockPoll)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("lock is held")
	}
	return func() { l.Unlock() }, nil
}

// lockPart takes the lock of a part, which the caller holds the upload's shared
// lock for. Its file is there only while somebody has the lock or waits for it, so
// that many parts don't mean many files: whoever gets the lock of a file that was
// removed meanwhile begins anew.
func (v *Vault) lockPart(ctx context.Context, id string, n int) (unlock func(), err error) {
	name := layout.UploadPath(id, partFile(n, "lock"))
	for {
		l := flock.New(filepath.Join(v.dir, name), flock.SetFlag(os.O_CREATE|os.O_RDONLY), flock.SetPermissions(fileMode))
		if _, err := l.TryLockContext(ctx, lockPoll); err != nil {
			l.Close()
			return nil, err
		}
		held, err := l.Stat()
		if err != nil {
			l.Unlock()
			return nil, err
		}
		if there, err := v.root.Lstat(name); err == nil && os.SameFile(held, there) {
			return func() {
				v.root.Remove(name)
				l.Unlock()
			}, nil
		}
		l.Unlock()
	}
}

// tryLock takes the lock file if it is free.
func (v *Vault) tryLock(name string) (unlock func(), ok bool) {
	l := flock.New(filepath.Join(v.dir, name), flock.SetFlag(os.O_RDONLY), flock.SetPermissions(fileMode))
	ok, err := l.TryLock()
	if err != nil || !ok {
		return nil, false
	}
	return func() { l.Unlock() }, true
}

// maxSenders is how many parts of one upload this process receives at once. The
// pusher sends four; as many again may be connections that died unnoticed.
const maxSenders = 8

// errBusy is a sender too many.
var errBusy = errors.New("too many parts of this upload are being sent")

// sending knows the parts that this process is receiving, so that a sender whose
// connection died does not keep its successor waiting until a timeout.
type sending struct {
	mu    sync.Mutex
	parts map[sentPart]*cutter
	count map[string]int // of senders, by upload
}

type sentPart struct {
	upload string
	number int
}

// cutter makes one receiver give up.
type cutter struct{ cut func() }

// enter makes whoever is receiving the same part give up, and notes how to make
// the caller do so. The caller calls leave when done. errBusy if there are
// maxSenders already.
func (s *sending) enter(p sentPart, cut func()) (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count[p.upload] >= maxSenders {
		return nil, errBusy
	}
	if s.parts == nil {
		s.parts, s.count = map[sentPart]*cutter{}, map[string]int{}
	}
	s.count[p.upload]++
	if other := s.parts[p]; other != nil {
		other.cut()
	}
	mine := &cutter{cut}
	s.parts[p] = mine
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.parts[p] == mine {
			delete(s.parts, p)
		}
		if s.count[p.upload]--; s.count[p.upload] == 0 {
			delete(s.count, p.upload)
		}
	}, nil
}

// cut makes every receiver of a part of the upload give up.
func (s *sending) cut(upload string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p, c := range s.parts {
		if p.upload == upload {
			c.cut()
		}
	}
}
