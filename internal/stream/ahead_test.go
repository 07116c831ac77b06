package stream

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"filippo.io/age"
	"github.com/holdfast-backup/holdfast"
	"pgregory.net/rapid"
)

func TestAheadReturnsWhatItReadsAndUsesItBefore(t *testing.T) {
	for _, size := range []int{0, 1, aheadSize - 1, aheadSize, aheadSize + 1, 5*aheadBuffers*aheadSize + 7} {
		data := randomBytes(size)
		var used bytes.Buffer
		a := newAhead(iotest.HalfReader(bytes.NewReader(data)), func(p []byte) { used.Write(p) })
		got, err := io.ReadAll(a)
		a.close()
		if err != nil || !bytes.Equal(got, data) || !bytes.Equal(used.Bytes(), data) {
			t.Errorf("%d bytes: got %d, used %d, %v", size, len(got), used.Len(), err)
		}
	}
}

func TestAheadReturnsTheErrorBehindTheBytes(t *testing.T) {
	failure := errors.New("connection reset")
	a := newAhead(io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(failure)), nil)
	defer a.close()
	got, err := io.ReadAll(a)
	if string(got) != "abc" || err != failure {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := a.Read(make([]byte, 1)); err != failure {
		t.Errorf("again: got %v", err)
	}
}

// countingReader never ends and counts its reads.
type countingReader struct{ reads atomic.Int64 }

func (c *countingReader) Read(p []byte) (int, error) { c.reads.Add(1); return len(p), nil }

func TestNothingIsReadAfterClose(t *testing.T) {
	for range 50 {
		r := &countingReader{}
		a := newAhead(r, func([]byte) {})
		a.Read(make([]byte, 10))
		a.close()
		before := r.reads.Load()
		if _, err := a.Read(make([]byte, 10)); err == nil {
			t.Error("no error after close")
		}
		if after := r.reads.Load(); after != before || after > 2*aheadBuffers {
			t.Errorf("%d reads, %d after close", before, after)
		}
	}
}

// shortWriter takes the first write, and all if it has no error to return.
type shortWriter struct {
	bytes.Buffer
	after error // returned from the second write on
	n     int
}

func (s *shortWriter) Write(p []byte) (int, error) {
	if s.n++; s.n > 1 && s.after != nil {
		return 0, s.after
	}
	return s.Buffer.Write(p)
}

func TestWriteToProvesAsReadDoes(t *testing.T) {
	id := identity(t)
	plain := sqlLike(3<<20 + 5)
	for _, method := range methods {
		t.Run(method, func(t *testing.T) {
			stored, s := encode(t, plain, Options{Compression: method, Recipients: to(id)})
			write := func(stored []byte, s holdfast.Stream, w io.Writer) (int64, error) {
				d, err := NewDecoder(bytes.NewReader(stored), s, Identities{Age: []age.Identity{id}})
				if err != nil {
					return 0, err
				}
				defer d.Close()
				return d.WriteTo(w)
			}
			var out shortWriter
			if n, err := write(stored, s, &out); err != nil || n != int64(len(plain)) || !bytes.Equal(out.Bytes(), plain) {
				t.Errorf("got %d bytes, %v", n, err)
			}
			if _, err := write(stored, s, &shortWriter{after: errDisk}); err != errDisk {
				t.Errorf("a writer that fails: got %v", err)
			}
			for name, spoil := range map[string]func(*holdfast.Stream){
				"another plain hash":   func(s *holdfast.Stream) { s.PlainSHA256 = sum(nil) },
				"another stored hash":  func(s *holdfast.Stream) { s.StoredSHA256 = sum(nil) },
				"a smaller plain size": func(s *holdfast.Stream) { s.PlainSize-- },
				"a larger plain size":  func(s *holdfast.Stream) { s.PlainSize++ },
			} {
				s := s
				spoil(&s)
				if n, err := write(stored, s, io.Discard); !errors.Is(err, holdfast.ErrCorrupt) || n > s.PlainSize {
					t.Errorf("%s: got %d bytes, %v", name, n, err)
				}
			}
			rapid.Check(t, func(t *rapid.T) {
				bad := slices.Clone(stored)
				bad[rapid.IntRange(0, len(bad)-1).Draw(t, "at")] ^= rapid.ByteRange(1, 255).Draw(t, "by")
				if _, err := write(bad, s, io.Discard); err == nil {
					t.Fatal("no error")
				}
			})
		})
	}
}
