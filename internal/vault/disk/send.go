package disk

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/vault/layout"
)

// SendPart implements holdfast.Receiver, with the same proof as for a signed part:
// its bytes are compared with the checksum and flushed before there is a receipt.
func (v *Vault) SendPart(ctx context.Context, u holdfast.Upload, p holdfast.Part, body io.Reader) error {
	if err := v.sendPart(ctx, u, p, body); err != nil {
		return fmt.Errorf("send part %d of %q: %w", p.Number, u.Key, cause(err))
	}
	return nil
}

func (v *Vault) sendPart(ctx context.Context, u holdfast.Upload, p holdfast.Part, body io.Reader) error {
	if err := checkPart(p); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := v.readUpload(u.ID, u.Key); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	from := &source{ctx: ctx, r: body, left: p.Size}
	claims := partClaims{Upload: u.ID, Number: p.Number, Size: p.Size, Sum: p.Sum}
	err := v.storePart(ctx, claims, from, func() { cancel(errOvertaken) })
	switch {
	case context.Cause(ctx) == errOvertaken:
		return errOvertaken
	case errors.Is(err, errBody) && from.err != nil:
		return fmt.Errorf("read body: %w", from.err)
	case errors.Is(err, errBody):
		return fmt.Errorf("%w: %w", holdfast.ErrCorrupt, errBody)
	}
	return err
}

// errOvertaken is what a sender gets whose part somebody else began to send anew,
// or whose upload has ended.
var errOvertaken = errors.New("the same part is being sent again, or its upload has ended")

// checkPart returns an error unless there can be such a part.
func checkPart(p holdfast.Part) error {
	if err := layout.CheckPlace(p); err != nil {
		return err
	}
	if !sumPattern.MatchString(p.Sum) {
		return fmt.Errorf("checksum %q: want a SHA-256 in lower-case hex", p.Sum)
	}
	return nil
}

// source is the body of a part. Reading it stops when ctx has ended, and fails at
// the part's last byte if there are more.
type source struct {
	ctx  context.Context
	r    io.Reader
	left int64 // bytes of the part that are still to come
	err  error // why reading failed before the end, through no fault of the bytes
}

func (s *source) Read(p []byte) (int, error) {
	if s.err = s.ctx.Err(); s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	if s.left -= int64(n); s.left == 0 && err == nil {
		if more, _ := io.ReadFull(s.r, make([]byte, 1)); more > 0 {
			return n, errBody
		}
	}
	return n, err
}
