package watch_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/holdfast-backup/holdfast/internal/watch"
)

// writeInPieces writes text in pieces of random length, as a pipe would.
func writeInPieces(t *rapid.T, text string, w interface{ Write([]byte) (int, error) }) {
	for rest := []byte(text); len(rest) > 0; {
		n := rapid.IntRange(1, len(rest)).Draw(t, "piece")
		piece := bytes.Clone(rest[:n])
		w.Write(piece)
		clear(piece) // a writer may not keep what it was given
		rest = rest[n:]
	}
}

func TestTailIsTheEndHoweverItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(0, 200, 400).Draw(t, "text")
		keep := rapid.IntRange(1, 50).Draw(t, "keep")
		tail := watch.NewTail(keep)
		writeInPieces(t, text, tail)
		if got, want := string(tail.Bytes()), text[max(0, len(text)-keep):]; got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		if got, want := tail.Cut(), len(text) > keep; got != want {
			t.Fatalf("cut: got %v, want %v", got, want)
		}
	})
}

func TestLinesAreSeenOnceHoweverTheyWereWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOf(rapid.Map(rapid.IntRange(0, 2*watch.MaxHead), func(n int) string {
			return strings.Repeat("x", n)
		})).Draw(t, "lines")
		var want, got []string
		var text strings.Builder
		for _, line := range lines {
			text.WriteString(line + "\n")
			want = append(want, line[:min(len(line), watch.MaxHead)])
		}
		text.WriteString("unfinished")
		writeInPieces(t, text.String(), &watch.Lines{See: func(head []byte) { got = append(got, string(head)) }})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestCheckRefusesWhatHasNoTrailer(t *testing.T) {
	tail := watch.NewTail(watch.TrailerSize)
	if tail.Check("") == nil {
		t.Error("an empty stream passed")
	}
	tail.Write([]byte("done" + strings.Repeat("x", watch.TrailerSize)))
	if tail.Check("") != nil {
		t.Error("a stream that needs no trailer was refused")
	}
	if tail.Check("done") == nil {
		t.Error("a trailer before the last bytes passed")
	}
	tail.Write([]byte("done\n"))
	if err := tail.Check("done"); err != nil {
		t.Error(err)
	}
}
