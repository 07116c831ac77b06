package sftp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"sync"

	pkgsftp "github.com/pkg/sftp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/vault/layout"
)

// errOvertaken is what a sender gets whose upload has ended meanwhile.
var errOvertaken = errors.New("the upload has ended")

// SendPart implements holdfast.Receiver. The part is written at its place while its
// bytes are hashed, flushed, and counts if they were the right ones. Where the
// connection is lost it is sent again if body is an io.Seeker.
func (v *Vault) SendPart(ctx context.Context, u holdfast.Upload, p holdfast.Part, body io.Reader) error {
	return v.wrap(fmt.Sprintf("send part %d of", p.Number), u.Key, v.send(ctx, u, p, body))
}

func (v *Vault) send(ctx context.Context, u holdfast.Upload, p holdfast.Part, body io.Reader) error {
	if err := checkPart(p); err != nil {
		return err
	}
	known, err := v.known(ctx, u)
	if err != nil {
		return err
	}
	within, leave, err := known.enter(ctx, p.Number)
	if err != nil {
		return err
	}
	from := &source{s: body, sum: sha256.New()}
	if stored, ok := known.stored(p.Number); ok && stored.Size == p.Size && stored.Sum == p.Sum {
		// Sent again because the answer was lost: nothing to write.
		defer leave()
		_, err := io.Copy(io.Discard, io.LimitReader(from, p.Size))
		return from.check(p, err)
	}
	known.forget(p.Number)
	// Whoever is done with this part may not be done with body: a call that is left
	// behind is still under way. The next sender of the part waits for it.
	var under sync.WaitGroup
	_, err = retry(within, v, func() (struct{}, error) {
		if err := from.rewind(); err != nil {
			return struct{}{}, err
		}
		under.Add(1)
		return once(within, v, true, func(o op) (none struct{}, err error) {
			return none, from.brokenOff(o.sendPart(known, known.data(u.ID), p, from))
		}, under.Done)
	})
	from.close()
	if err == nil {
		known.keep(p)
	}
	if errors.Is(err, context.Canceled) && ctx.Err() == nil {
		err = errOvertaken
	}
	go func() {
		under.Wait()
		leave()
	}()
	return err
}

// errOnce is why an upload can't go on over another connection.
var errOnce = fmt.Errorf("%w: it lets no file be opened again, and the connection was lost over which this one was made", ErrDenied)

// sendPart writes the part at its place in the file.
func (o op) sendPart(u *upload, name string, p holdfast.Part, from *source) error {
	if u.made.alive() {
		o.s = u.made.s
		return o.writePart(u.made.f, p, from, o.copyAt)
	}
	f, err := o.open(name, os.O_WRONLY)
	if u.inPlace && errors.Is(err, ErrDenied) {
		return errOnce
	}
	if err != nil {
		return notExist(err)
	}
	err = o.writePart(f, p, from, o.copyAlone)
	if closing := o.close(f); err == nil {
		err = o.full(closing)
	}
	return err
}

// writePart writes the part at its place in the file by copying, and flushes it.
func (o op) writePart(f *pkgsftp.File, p holdfast.Part, from *source, copying func(*pkgsftp.File, io.Reader, int64) error) error {
	from.waits = o.s
	o.s.enter()
	err := copying(f, io.LimitReader(from, p.Size), layout.PartOffset(p.Number))
	o.s.leave()
	from.waits = nil
	if from.err == nil {
		err = o.full(o.s.cause(err))
	}
	if err == nil || from.err != nil {
		err = from.check(p, from.err)
	}
	if err == nil {
		err = o.full(o.flush(f))
	}
	return err
}

// copyAlone copies to a file that nobody else writes to through f.
func (o op) copyAlone(f *pkgsftp.File, from io.Reader, at int64) error {
	if _, err := f.Seek(at, io.SeekStart); err != nil {
		return err
	}
	_, err := f.ReadFromWithConcurrency(from, o.s.depth)
	return err
}

// copyAt copies to a file that others write to through f at the same time, so that
// there is no such thing as its present offset.
func (o op) copyAt(f *pkgsftp.File, from io.Reader, at int64) error {
	buf := make([]byte, o.s.depth*o.s.packet)
	for {
		n, err := io.ReadFull(from, buf)
		if n > 0 {
			if _, err := f.WriteAt(buf[:n], at); err != nil {
				return err
			}
			at += int64(n)
		}
		switch err {
		case nil:
		case io.EOF, io.ErrUnexpectedEOF:
			return nil
		default:
			return err
		}
	}
}

// letGo closes what was made, where that is still open.
func (o op) letGo(m made) {
	if m.alive() {
		o.s = m.s
		_ = o.close(m.f)
	}
}

// checkPart returns an error unless there can be such a part.
func checkPart(p holdfast.Part) error {
	if err := layout.CheckPlace(p); err != nil {
		return err
	}
	if len(p.Sum) != hex.EncodedLen(sha256.Size) {
		return fmt.Errorf("checksum %q: want a SHA-256 in lower-case hex", p.Sum)
	}
	return nil
}

// source is the body of a part, hashed as it is read. It can be closed while it is
// read, after which it is not touched.
type source struct {
	waits *session // which does not stall while the body is waited for

	mu     sync.Mutex
	s      io.Reader
	sum    hash.Hash
	n      int64 // bytes that have been read
	err    error // why reading has failed before the end
	closed bool
}

func (s *source) Read(p []byte) (int, error) {
	if s.waits != nil {
		s.waits.leave()
		defer s.waits.enter()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		s.err = os.ErrClosed
		return 0, s.err
	}
	n, err := s.s.Read(p)
	s.sum.Write(p[:n])
	s.n += int64(n)
	if err != nil && err != io.EOF {
		s.err = fmt.Errorf("read body: %w", err)
		err = s.err
	}
	return n, err
}

// check returns an error unless body was read without one and has the bytes of the
// part, and no more.
func (s *source) check(p holdfast.Part, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil:
		return err
	case s.closed:
		return os.ErrClosed
	case s.n != p.Size || hex.EncodeToString(s.sum.Sum(nil)) != p.Sum:
		return fmt.Errorf("body: %w", holdfast.ErrCorrupt)
	}
	if n, _ := io.ReadFull(s.s, make([]byte, 1)); n > 0 {
		return fmt.Errorf("body has more than %d bytes: %w", p.Size, holdfast.ErrCorrupt)
	}
	return nil
}

// rewind begins anew.
func (s *source) rewind() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n == 0 {
		return nil
	}
	if _, err := s.s.(io.Seeker).Seek(-s.n, io.SeekCurrent); err != nil {
		return fmt.Errorf("rewind body: %w", err)
	}
	s.n, s.err = 0, nil
	s.sum.Reset()
	return nil
}

// brokenOff makes of a lost connection one that is not tried again, where body
// can't be read again.
func (s *source) brokenOff(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, again := s.s.(io.Seeker); isLost(err) && s.n > 0 && !again {
		return &halfSent{err}
	}
	return err
}

func (s *source) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

// halfSent is a lost connection that nobody here can make up for.
type halfSent struct{ err error }

func (h *halfSent) Error() string { return h.err.Error() }
func (h *halfSent) Unwrap() error { return h.err }
