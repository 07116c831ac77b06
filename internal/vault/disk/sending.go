package disk

import (
	"errors"
	"sync"
)

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
