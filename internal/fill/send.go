package fill

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"sync"

	"github.com/holdfast-backup/holdfast"
)

// atOnce is how many parts are on their way at a time. Beside them one is being
// filled, so that memory stays within a few parts; large ones go one by one.
const atOnce = 3

// sending is an upload on its way.
type sending struct {
	c      *copier
	upload holdfast.Upload
	sums   string // checksum algorithm
	free   chan []byte
	work   sync.WaitGroup
	cancel context.CancelCauseFunc

	mu    sync.Mutex
	parts []holdfast.Part
}

// send sends what body has, size bytes, as parts of the upload.
func (c *copier) send(ctx context.Context, u holdfast.Upload, limits holdfast.UploadLimits, body io.Reader, size int64) ([]holdfast.Part, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := &sending{c: c, upload: u, sums: limits.Checksum, cancel: cancel, free: make(chan []byte, atOnce+1)}
	for range atOnce + 1 {
		s.free <- nil
	}
	err := s.run(ctx, limits.MaxParts, body, size)
	if err != nil {
		cancel(err)
	}
	s.work.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return nil, cause
	}
	return s.parts, err
}

func (s *sending) run(ctx context.Context, maxParts int, body io.Reader, size int64) error {
	for n, left := 1, size; left > 0 && ctx.Err() == nil; n++ {
		length := min(holdfast.PartSize(n, maxParts), left)
		if length > holdfast.MinPartSize {
			s.work.Wait() // it alone takes more memory than all of them before
		}
		var buf []byte
		select {
		case buf = <-s.free:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if int64(cap(buf)) < length {
			buf = make([]byte, length)
		}
		buf = buf[:length]
		if _, err := io.ReadFull(body, buf); err != nil {
			return fmt.Errorf("read %q: %w", s.upload.Key, err)
		}
		left -= length
		s.mu.Lock()
		s.parts = append(s.parts, holdfast.Part{})
		s.mu.Unlock()
		s.work.Go(func() { s.part(ctx, n, buf) })
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	// The end of body says that its size was right.
	if n, err := io.ReadFull(body, make([]byte, 1)); n > 0 || err != io.EOF {
		return fmt.Errorf("read %q: has not %d bytes: %w", s.upload.Key, size, holdfast.ErrCorrupt)
	}
	return nil
}

// part sends one part and gives its buffer back.
func (s *sending) part(ctx context.Context, n int, buf []byte) {
	p, err := s.c.sendPart(ctx, s.upload, holdfast.Part{Number: n, Size: int64(len(buf)), Sum: checksum(s.sums, buf)}, buf)
	if err != nil {
		s.cancel(fmt.Errorf("send part %d of %q: %w", n, s.upload.Key, err))
		return
	}
	s.mu.Lock()
	s.parts[n-1] = p
	s.mu.Unlock()
	if len(buf) > int(holdfast.MinPartSize) {
		buf = nil
	}
	s.free <- buf
}

func checksum(algorithm string, b []byte) string {
	if algorithm == holdfast.ChecksumMD5 {
		sum := md5.Sum(b)
		return hex.EncodeToString(sum[:])
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
