package stream

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"filippo.io/age"
	"github.com/holdfast-backup/holdfast"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxWindow is the largest zstd window that is decoded, in bytes: what `zstd -d`
// takes without --memory. A stream cannot ask for more memory than that.
const maxWindow = 128 << 20

// Decoder reads the plain stream out of a stored one. It is not safe for
// concurrent use.
type Decoder struct {
	want   holdfast.Stream
	stored *storedReader
	opened io.Reader // decrypted, still compressed
	plain  meter     // of what was read ahead
	top    *ahead    // plain
	read   int64     // bytes of it
	close  func()
	err    error
}

// NewDecoder returns a Decoder of the stored stream r that s describes. Where s
// is encrypted it needs an identity that fits: ErrNoIdentity if none does, a
// LockedError if one does that cannot be unlocked. The Decoder reads r to its end
// and does not close it.
//
// At the end of the plain stream, sizes and SHA-256 of both forms have been
// compared with s: io.EOF means that every byte is proven. Anything that
// differs is holdfast.ErrCorrupt; an error of r itself is returned as it is.
// Until io.EOF what was read is not proven and must not be put to use.
func NewDecoder(r io.Reader, s holdfast.Stream, identities Identities) (*Decoder, error) {
	d := &Decoder{want: s, plain: newMeter(), close: func() {}}
	d.stored = &storedReader{r: r, meter: newMeter(), limit: s.StoredSize}
	opened, err := open(d.stored, s.Encryption, identities)
	if err != nil {
		return nil, d.fault(err)
	}
	d.opened = opened
	decompressed, err := d.decompress(s.Compression)
	if err != nil {
		d.close()
		return nil, err
	}
	d.top = newAhead(decompressed, d.plain.add)
	below := d.close
	d.close = func() { d.top.close(); below() }
	return d, nil
}

// open returns the reader of what is decrypted.
func open(stored io.Reader, e holdfast.Encryption, identities Identities) (io.Reader, error) {
	switch e.Format {
	case holdfast.EncryptionNone:
		return stored, nil
	case holdfast.EncryptionAge:
		if len(identities.Age) == 0 {
			return nil, ErrNoIdentity
		}
		return age.Decrypt(stored, identities.Age...)
	case holdfast.EncryptionOpenPGP:
		if len(identities.OpenPGP) == 0 {
			return nil, ErrNoIdentity
		}
		return openMessage(stored, e.Recipients, identities.OpenPGP)
	}
	return nil, fmt.Errorf("encryption %q: want age, openpgp or none", e.Format)
}

// decompress returns the reader of the plain stream. It reads what is decrypted
// through another goroutine, so that three of them work: one that fetches, sums
// and decrypts, one that decompresses, one that sums what comes out. The
// decompressor itself does not use several: it would hand over every block.
func (d *Decoder) decompress(compression string) (io.Reader, error) {
	if compression == None {
		return d.opened, nil
	}
	if compression != Zstd && compression != Gzip {
		return nil, fmt.Errorf("compression %q: want zstd, gzip or none", compression)
	}
	opened := newAhead(d.opened, nil)
	d.opened, d.close = opened, opened.close
	if compression == Gzip {
		g, err := gzip.NewReader(d.opened)
		if err != nil {
			return nil, d.fault(err)
		}
		return g, nil
	}
	z, err := zstd.NewReader(d.opened, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, d.fault(err)
	}
	d.close = func() { z.Close(); opened.close() }
	return z, nil
}

// Read reads plain bytes. It returns io.EOF only once everything is proven.
func (d *Decoder) Read(p []byte) (int, error) {
	next, err := d.next(len(p))
	return copy(p, next), err
}

// WriteTo writes plain bytes to w up to the end, without the copy that Read
// takes. A nil error means that everything is proven; until then w's bytes are
// not.
func (d *Decoder) WriteTo(w io.Writer) (written int64, err error) {
	for {
		p, err := d.next(aheadSize)
		n, writeErr := w.Write(p)
		written += int64(n)
		switch {
		case writeErr != nil:
			return written, writeErr
		case err == io.EOF:
			return written, nil
		case err != nil:
			return written, err
		}
	}
}

// next returns up to n plain bytes, good until the next call.
func (d *Decoder) next(n int) ([]byte, error) {
	if d.err != nil {
		return nil, d.err
	}
	p, err := d.top.next(n)
	if left := d.want.PlainSize - d.read; int64(len(p)) > left {
		p, err = p[:left], d.corrupt("plain stream is longer than %d bytes", d.want.PlainSize)
	}
	d.read += int64(len(p))
	switch {
	case err == io.EOF:
		d.err = d.finish()
	case err != nil:
		d.err = d.fault(err)
	}
	return p, d.err
}

// finish reads what the layers have left and compares everything.
func (d *Decoder) finish() error {
	if n, err := io.Copy(io.Discard, d.opened); err != nil {
		return d.fault(err)
	} else if n > 0 {
		return d.corrupt("%d bytes follow the compressed stream", n)
	}
	if _, err := io.Copy(io.Discard, d.stored); err != nil {
		return d.fault(err)
	}
	got := Sums{d.plain.size, d.plain.sum(), d.stored.size, d.stored.sum()}
	want := Sums{d.want.PlainSize, d.want.PlainSHA256, d.want.StoredSize, d.want.StoredSHA256}
	switch {
	case got.StoredSize != want.StoredSize:
		return d.corrupt("stored size %d, want %d", got.StoredSize, want.StoredSize)
	case got.StoredSHA256 != want.StoredSHA256:
		return d.corrupt("stored SHA-256 %s, want %s", got.StoredSHA256, want.StoredSHA256)
	case got.PlainSize != want.PlainSize:
		return d.corrupt("plain size %d, want %d", got.PlainSize, want.PlainSize)
	case got.PlainSHA256 != want.PlainSHA256:
		return d.corrupt("plain SHA-256 %s, want %s", got.PlainSHA256, want.PlainSHA256)
	}
	return io.EOF
}

// fault says what an error of one of the layers means: an error of the reader
// below came through, no identity fits or is locked, or the bytes are wrong.
func (d *Decoder) fault(err error) error {
	var noMatch *age.NoIdentityMatchError
	var locked *LockedError
	switch {
	case d.stored.failed() != nil:
		return fmt.Errorf("read stored stream %q: %w", d.want.Name, d.stored.failed())
	case errors.As(err, &locked):
		return fmt.Errorf("decrypt stream %q: %w", d.want.Name, locked)
	case errors.As(err, &noMatch), errors.Is(err, ErrNoIdentity):
		return fmt.Errorf("decrypt stream %q: %w", d.want.Name, ErrNoIdentity)
	case errors.Is(err, holdfast.ErrCorrupt):
		return err
	}
	return d.corrupt("%v", err)
}

func (d *Decoder) corrupt(format string, args ...any) error {
	return fmt.Errorf("stream %q: %w: %s", d.want.Name, holdfast.ErrCorrupt, fmt.Sprintf(format, args...))
}

// Close frees what the Decoder holds, and waits for a Read of the stored stream
// that is going on. Reading after it is an error.
func (d *Decoder) Close() error {
	if d.err == nil {
		d.err = errors.New("read stream: is closed")
	}
	d.close()
	return nil
}

// storedReader meters what comes from r and remembers r's own error, which the
// layers above may wrap beyond recognition.
type storedReader struct {
	meter
	r     io.Reader
	limit int64
	err   atomic.Pointer[error] // the decompressor reads ahead in a goroutine
}

func (s *storedReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.add(p[:n])
	if err != nil && err != io.EOF {
		s.err.Store(&err)
	}
	if s.size > s.limit {
		return 0, fmt.Errorf("%w: stored stream is longer than %d bytes", holdfast.ErrCorrupt, s.limit)
	}
	return n, err
}

// failed returns the error of r, other than io.EOF.
func (s *storedReader) failed() error {
	if err := s.err.Load(); err != nil {
		return *err
	}
	return nil
}
