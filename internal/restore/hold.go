package restore

import (
	"context"
	"fmt"
	"io"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/stream"
)

// heldBack is how much of a stream is kept until all of it is proven, in bytes.
// Whatever reads the rest can tell that the end is missing.
const heldBack = 1 << 20

// holder passes on what is written to it, except for the last heldBack bytes.
type holder struct {
	w    io.Writer
	full []byte // heldBack bytes, once there are so many
	buf  []byte // what came after those
}

// Write implements io.Writer.
func (h *holder) Write(p []byte) (int, error) {
	for written := 0; ; {
		if h.buf == nil {
			h.buf = make([]byte, 0, heldBack)
		}
		n := copy(h.buf[len(h.buf):heldBack], p[written:])
		h.buf = h.buf[:len(h.buf)+n]
		if written += n; written == len(p) {
			return written, nil
		}
		if err := h.pass(h.full); err != nil {
			return written, err
		}
		h.full, h.buf = h.buf, h.full[:0]
	}
}

// release passes on the rest, once the stream is proven.
func (h *holder) release() error {
	for _, rest := range [][]byte{h.full, h.buf} {
		if err := h.pass(rest); err != nil {
			return err
		}
	}
	h.full, h.buf = nil, nil
	return nil
}

func (h *holder) pass(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	_, err := h.w.Write(p)
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

// copyAll copies in large pieces. io.Copy would allocate a buffer of its own, or
// leave the choice to w.
func copyAll(w io.Writer, r io.Reader) error {
	if d, ok := r.(*stream.Decoder); ok {
		_, err := d.WriteTo(w)
		return err
	}
	_, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, make([]byte, 256<<10))
	return err
}
