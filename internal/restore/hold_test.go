package restore

import (
	"bytes"
	"testing"
)

func TestHolderKeepsTheLastMiBUntilItIsReleased(t *testing.T) {
	for _, size := range []int{0, 1, heldBack - 1, heldBack, heldBack + 1, 2*heldBack + 1, 5 * heldBack} {
		for _, piece := range []int{1000, heldBack, 3*heldBack + 7} {
			var out bytes.Buffer
			h, data := &holder{w: &out}, noise(size)
			for rest := data; len(rest) > 0; {
				n := min(piece, len(rest))
				if written, err := h.Write(rest[:n]); written != n || err != nil {
					t.Fatalf("wrote %d of %d, %v", written, n, err)
				}
				rest = rest[n:]
				if kept := size - len(rest) - out.Len(); kept < min(heldBack, size-len(rest)) || kept > 2*heldBack {
					t.Fatalf("%d in pieces of %d: kept %d", size, piece, kept)
				}
			}
			if err := h.release(); err != nil || !bytes.Equal(out.Bytes(), data) {
				t.Errorf("%d in pieces of %d: got %d, %v", size, piece, out.Len(), err)
			}
		}
	}
}
