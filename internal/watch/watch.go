// Package watch looks at a stream that passes by, in constant memory: at its
// last bytes and at how its lines begin. It changes nothing and keeps nothing
// else.
package watch

import (
	"bytes"
	"errors"
	"fmt"
)

// Tail is a writer that keeps the last bytes written to it. The zero Tail keeps
// none; make one with NewTail.
type Tail struct {
	buf   []byte
	keep  int
	total int64
}

// NewTail returns a Tail of at most keep bytes.
func NewTail(keep int) *Tail { return &Tail{keep: keep, buf: make([]byte, 0, 2*keep)} }

// Write never fails.
func (t *Tail) Write(p []byte) (int, error) {
	n := len(p)
	t.total += int64(n)
	if n >= t.keep {
		t.buf = append(t.buf[:0], p[n-t.keep:]...)
		return n, nil
	}
	if len(t.buf)+n > cap(t.buf) {
		kept := copy(t.buf, t.buf[len(t.buf)-(t.keep-n):])
		t.buf = t.buf[:kept]
	}
	t.buf = append(t.buf, p...)
	return n, nil
}

// Bytes returns the last bytes, valid until the next Write.
func (t *Tail) Bytes() []byte { return t.buf[max(0, len(t.buf)-t.keep):] }

// Total returns how many bytes were written in all.
func (t *Tail) Total() int64 { return t.total }

// Cut reports whether more was written than is kept.
func (t *Tail) Cut() bool { return t.total > int64(len(t.Bytes())) }

// TrailerSize is within how many of the last bytes a trailer given by the user
// is looked for.
const TrailerSize = 4 << 10

// Check returns an error if nothing was written, or if the last bytes do not
// contain the trailer; "" is in every stream.
func (t *Tail) Check(trailer string) error {
	if t.total == 0 {
		return errors.New("it is empty")
	}
	if !bytes.Contains(t.Bytes(), []byte(trailer)) {
		return fmt.Errorf("its last %d bytes do not contain the trailer %q", t.keep, trailer)
	}
	return nil
}

// MaxHead is how many bytes of a line Lines shows.
const MaxHead = 256

// Lines is a writer that calls See with the beginning of every line: at most
// MaxHead bytes, without the newline, valid until See returns. A last line
// without a newline is not shown.
type Lines struct {
	See func(head []byte)

	head []byte // of the line that the last Write left unfinished
}

// Write never fails.
func (l *Lines) Write(p []byte) (int, error) {
	n := len(p)
	for {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			l.head = append(l.head, p[:min(len(p), MaxHead-len(l.head))]...)
			return n, nil
		}
		line := p[:min(end, MaxHead)]
		if len(l.head) > 0 {
			l.head = append(l.head, line[:min(len(line), MaxHead-len(l.head))]...)
			line = l.head
		}
		l.See(line)
		l.head = l.head[:0]
		p = p[end+1:]
	}
}
