package stdin_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/holdfast-backup/holdfast/internal/source/stdin"
)

func dump(t *testing.T, ctx context.Context, r io.Reader, trailer string, w io.Writer) error {
	t.Helper()
	s, err := stdin.New(stdin.Options{Reader: r, File: "crm.sql", Trailer: trailer})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Dump(ctx, w)
	return err
}

func TestTheInputIsTheStream(t *testing.T) {
	text := strings.Repeat("0123456789", 200_000) + "done"
	for name, r := range map[string]io.Reader{
		"in large pieces":    strings.NewReader(text),
		"in small pieces":    iotest.HalfReader(strings.NewReader(text)),
		"its end with bytes": iotest.DataErrReader(strings.NewReader(text)),
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := dump(t, t.Context(), r, "done", &out); err != nil || out.String() != text {
				t.Errorf("got %d bytes, %v", out.Len(), err)
			}
		})
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestAnInputThatIsNotWholeIsAnError(t *testing.T) {
	down := errors.New("line is down")
	for name, c := range map[string]struct {
		r    io.Reader
		w    io.Writer
		want string
	}{
		"empty":              {strings.NewReader(""), io.Discard, "it is empty"},
		"no trailer":         {strings.NewReader("don"), io.Discard, "do not contain the trailer"},
		"a read that fails":  {iotest.ErrReader(down), io.Discard, "line is down"},
		"a write that fails": {strings.NewReader("done"), failing{down}, "line is down"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := dump(t, t.Context(), c.r, "done", c.w); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestTheEndOfTheContextEndsAReadThatHangs(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := dump(t, ctx, r, "", io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}
