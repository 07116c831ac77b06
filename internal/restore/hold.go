package restore

import (
	"context"
	"fmt"
	"io"

	"github.com/holdfast-backup/holdfast"
)

// heldBack is how much of a stream is kept until all of it is proven, in bytes.
// Whatever reads the rest can tell that the end is missing.
const heldBack = 1 << 20

// holder passes on what is written to it, except for the last heldBack bytes.
type holder struct {
	w   io.Writer
	buf []byte
}

// Write implements io.Writer.
func (h *holder) Write(p []byte) (int, error) {
	h.buf = append(h.buf, p...)
	if over := len(h.buf) - heldBack; over >= heldBack {
		if _, err := h.w.Write(h.buf[:over]); err != nil {
			return 0, err
		}
		h.buf = h.buf[:copy(h.buf, h.buf[over:])]
	}
	return len(p), nil
}

// release passes on the rest, once the stream is proven.
func (h *holder) release() error {
	_, err := h.w.Write(h.buf)
	h.buf = nil
	return err
}

// ToWriter writes the plain bytes of one stream to w; without a name, of the
// only one. The last MiB, and all of a smaller stream, is written only after
// everything is proven. After an error what w got is to be thrown away.
func (b *Backup) ToWriter(ctx context.Context, name string, w io.Writer) error {
	s, err := b.chooseOne(name, "standard output", func(holdfast.Stream) bool { return true })
	if err != nil {
		return err
	}
	b.begin(s)
	held := &holder{w: w}
	if err := b.read(ctx, s, func(plain io.Reader) error { return copyAll(held, plain) }); err != nil {
		return err
	}
	if err := held.release(); err != nil {
		return fmt.Errorf("write stream %q: %w", s.Name, err)
	}
	return nil
}

// copyAll copies in large pieces, without the shortcuts of io.Copy, which would
// allocate a buffer of their own.
func copyAll(w io.Writer, r io.Reader) error {
	_, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, make([]byte, 256<<10))
	return err
}
