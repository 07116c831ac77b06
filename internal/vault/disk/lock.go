package disk

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"
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

// tryLock takes the lock file if it is free.
func (v *Vault) tryLock(name string) (unlock func(), ok bool) {
	l := flock.New(filepath.Join(v.dir, name), flock.SetFlag(os.O_RDONLY), flock.SetPermissions(fileMode))
	ok, err := l.TryLock()
	if err != nil || !ok {
		return nil, false
	}
	return func() { l.Unlock() }, true
}

// sending knows the parts that this process is receiving, so that a sender whose
// connection died does not keep its successor waiting until a timeout.
type sending struct {
	mu    sync.Mutex
	parts map[sentPart]*cutter
}

type sentPart struct {
	upload string
	number int
}

// cutter makes one receiver give up.
type cutter struct{ cut func() }

// enter makes whoever is receiving the same part give up, and notes how to make
// the caller do so. The caller calls leave when done.
func (s *sending) enter(p sentPart, cut func()) (leave func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.parts == nil {
		s.parts = map[sentPart]*cutter{}
	}
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
	}
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
