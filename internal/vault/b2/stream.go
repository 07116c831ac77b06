package b2

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// stream is the body of a download that is given up when nothing has come for a
// while, however large it is.
type stream struct {
	io.ReadCloser
	cancel  context.CancelFunc
	limit   time.Duration
	timer   *time.Timer
	expired atomic.Bool
}

// arm starts the wait anew.
func (s *stream) arm() {
	if s.timer == nil {
		s.timer = time.AfterFunc(s.limit, func() {
			s.expired.Store(true)
			s.cancel()
		})
		return
	}
	s.timer.Reset(s.limit)
}

// disarm ends the wait: whoever reads may take his time before he reads on.
func (s *stream) disarm() { s.timer.Stop() }

func (s *stream) Read(p []byte) (int, error) {
	s.arm()
	n, err := s.ReadCloser.Read(p)
	s.disarm()
	if err != nil && err != io.EOF {
		err = s.late(err)
	}
	return n, err
}

// Close ends the download.
func (s *stream) Close() error {
	s.disarm()
	s.cancel()
	if s.ReadCloser == nil {
		return nil
	}
	return s.ReadCloser.Close()
}

// late says of an error that it came of waiting too long, if it did.
func (s *stream) late(err error) error {
	if s.expired.Load() {
		return fmt.Errorf("nothing came for %s", s.limit)
	}
	return err
}
