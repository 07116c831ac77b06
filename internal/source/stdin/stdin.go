// Package stdin is the source whose stream comes through a pipe into this
// process. How the program before the pipe ended it cannot know: only the
// trailer can tell a whole stream from a shortened one.
package stdin

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/watch"
)

// Kind is the Facts.Kind of these streams.
const Kind = "stdin"

// Options says what to read.
type Options struct {
	Reader  io.Reader // the stream, os.Stdin; not closed
	File    string    // name of the plain stream
	Trailer string    // text that the last watch.TrailerSize bytes must contain; "" is none
}

// Source reads one stream. It implements holdfast.Source.
type Source struct{ options Options }

// New returns the source, or an error if the options cannot be used.
func New(options Options) (*Source, error) {
	if options.Reader == nil {
		return nil, errors.New("stdin: there is nothing to read from")
	}
	if err := holdfast.CheckFile(options.File); err != nil {
		return nil, fmt.Errorf("stdin: %w", err)
	}
	if len(options.Trailer) > watch.TrailerSize {
		return nil, fmt.Errorf("stdin: trailer is longer than %d bytes", watch.TrailerSize)
	}
	return &Source{options}, nil
}

// File implements holdfast.Source.
func (s *Source) File() string { return s.options.File }

// Dump implements holdfast.Source. When ctx ends it returns at once; a read that
// hangs is then left behind, since nothing can interrupt it.
func (s *Source) Dump(ctx context.Context, w io.Writer) (holdfast.Facts, error) {
	facts := holdfast.Facts{Kind: Kind}
	tail := watch.NewTail(watch.TrailerSize)
	if err := copyUntil(ctx, io.MultiWriter(tail, w), s.options.Reader); err != nil {
		return facts, err
	}
	if err := tail.Check(s.options.Trailer); err != nil {
		return facts, fmt.Errorf("standard input is not whole: %w", err)
	}
	return facts, nil
}

// Examine implements holdfast.Source. There is nothing to look at.
func (s *Source) Examine(context.Context) []holdfast.Examination { return nil }

// copyUntil copies r to w in the calling goroutine, so that nothing is written
// once it has returned, and reads in another one.
func copyUntil(ctx context.Context, w io.Writer, r io.Reader) error {
	type chunk struct {
		data []byte
		err  error
	}
	chunks, free := make(chan chunk), make(chan []byte, 2)
	for range cap(free) {
		free <- make([]byte, 256<<10)
	}
	reading, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		for {
			var buf []byte
			select {
			case buf = <-free:
			case <-reading.Done():
				return
			}
			n, err := r.Read(buf)
			select {
			case chunks <- chunk{buf[:n], err}:
			case <-reading.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("read standard input: %w", context.Cause(ctx))
		case c := <-chunks:
			if len(c.data) > 0 {
				if _, err := w.Write(c.data); err != nil {
					return err
				}
			}
			if c.err == io.EOF {
				return nil
			}
			if c.err != nil {
				return fmt.Errorf("read standard input: %v", c.err)
			}
			free <- c.data[:cap(c.data)]
		}
	}
}
