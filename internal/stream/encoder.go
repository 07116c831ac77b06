package stream

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Two workers each compress a section of four windows at a time, which keeps two
// cores busy. Sections wait in memory, so a larger window costs some forty times
// its size; on dumps, 8 MiB instead of 512 KiB would save half a percent.
const (
	window  = 512 << 10 // bytes
	workers = 2
)

// Encoder writes the stored form of the plain stream that is written to it. It
// is not safe for concurrent use, except for Progress.
type Encoder struct {
	plain  meter
	top    io.Writer   // where the plain stream goes
	layers []io.Closer // outermost first
	stored storedWriter
	passed atomic.Int64 // plain.size, for Progress
	closed bool
	err    error
}

// NewEncoder returns an Encoder that writes to w, which it does not close.
func NewEncoder(w io.Writer, o Options) (*Encoder, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	e := &Encoder{plain: newMeter(), stored: storedWriter{w: w, meter: newMeter()}}
	e.top = &e.stored
	if !o.Recipients.None() {
		sealed, err := o.Recipients.seal(e.top)
		if err != nil {
			return nil, fmt.Errorf("encrypt stream: %w", err)
		}
		e.push(sealed)
	}
	switch o.Compression {
	case Zstd:
		z, err := newZstd(e.top, o.Level)
		if err != nil {
			return nil, fmt.Errorf("compress stream: %w", err)
		}
		e.push(z)
	case Gzip:
		level := o.Level
		if level == 0 {
			level = 6
		}
		g, err := gzip.NewWriterLevel(e.top, level)
		if err != nil {
			return nil, fmt.Errorf("compress stream: %w", err)
		}
		e.push(g)
	}
	return e, nil
}

func newZstd(w io.Writer, level int) (*zstd.Encoder, error) {
	if level == 0 {
		level = 3
	}
	return zstd.NewWriter(w,
		zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(level)),
		zstd.WithWindowSize(window),
		zstd.WithEncoderConcurrency(workers),
		zstd.WithConcurrentBlocks(true))
}

func (e *Encoder) push(w io.WriteCloser) {
	e.top = w
	e.layers = append([]io.Closer{w}, e.layers...)
}

// Write takes plain bytes. After an error every call returns it.
func (e *Encoder) Write(p []byte) (int, error) {
	if e.err == nil && e.closed {
		e.err = errors.New("write stream: is closed")
	}
	if e.err != nil {
		return 0, e.err
	}
	n, err := e.top.Write(p)
	e.plain.add(p[:n])
	e.passed.Store(e.plain.size)
	e.err = err
	return n, err
}

// Close finishes the stream; only after it returned nil is it whole. Closing
// again returns the same.
func (e *Encoder) Close() error {
	if e.closed {
		return e.err
	}
	e.closed = true
	for _, l := range e.layers {
		// The inner layers are closed after an error too: they may hold workers.
		if err := l.Close(); err != nil && e.err == nil {
			e.err = err
		}
	}
	return e.err
}

// Sums describes the whole stream. Call it after Close.
func (e *Encoder) Sums() Sums {
	return Sums{
		PlainSize: e.plain.size, PlainSHA256: e.plain.sum(),
		StoredSize: e.stored.size, StoredSHA256: e.stored.sum(),
	}
}

// Progress returns how many bytes have passed so far, plain and stored. It may
// be called at any time.
func (e *Encoder) Progress() (plain, stored int64) { return e.passed.Load(), e.stored.passed.Load() }

// storedWriter meters what goes to w. The compressor's workers write to it, one
// at a time.
type storedWriter struct {
	meter
	w      io.Writer
	passed atomic.Int64
}

func (s *storedWriter) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.add(p[:n])
	s.passed.Store(s.size)
	return n, err
}
