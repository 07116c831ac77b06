package stream

import (
	"errors"
	"io"
	"sync"
)

// ahead reads r in a goroutine of its own and hands the bytes on in large
// buffers, each of which passes through use, in another goroutine, on its way.
// So reading, summing and consuming happen side by side, and a hand-over, which
// wakes a sleeping thread, is rare.
//
// It is not safe for concurrent use. After it has returned an error nothing of it
// touches r any more; close waits for that.
type ahead struct {
	free, read, used chan buffer
	stop             chan struct{}
	work             sync.WaitGroup
	now              buffer // being consumed
	rest             []byte // of it
	err              error
}

type buffer struct {
	whole []byte
	n     int   // bytes of whole that were read
	err   error // that ended the reading, behind those
}

const (
	aheadBuffers = 4
	aheadSize    = 512 << 10 // bytes of each
)

// newAhead starts reading. use may be nil; it must not keep what it gets.
func newAhead(r io.Reader, use func(p []byte)) *ahead {
	a := &ahead{stop: make(chan struct{}), free: make(chan buffer, aheadBuffers), read: make(chan buffer, aheadBuffers)}
	for range aheadBuffers {
		a.free <- buffer{}
	}
	a.work.Go(func() { a.fill(r) })
	a.used = a.read
	if use != nil {
		a.used = make(chan buffer, aheadBuffers)
		a.work.Go(func() {
			defer close(a.used)
			for b := range a.read {
				use(b.whole[:b.n])
				a.used <- b // has room for all buffers
			}
		})
	}
	return a
}

// fill reads until r ends or stop closes.
func (a *ahead) fill(r io.Reader) {
	defer close(a.read)
	for err := error(nil); err == nil; {
		var b buffer
		select {
		case b = <-a.free:
		case <-a.stop:
			return
		}
		if b.whole == nil {
			b.whole = make([]byte, aheadSize)
		}
		for b.n = 0; b.n < len(b.whole) && err == nil; {
			var n int
			n, err = r.Read(b.whole[b.n:])
			b.n += n
		}
		b.err = err
		a.read <- b // has room for all buffers
	}
}

// Read implements io.Reader.
func (a *ahead) Read(p []byte) (int, error) {
	next, err := a.next(len(p))
	return copy(p, next), err
}

// next returns up to n bytes, good until the next call, and takes them as read.
func (a *ahead) next(n int) ([]byte, error) {
	for len(a.rest) == 0 {
		if a.err == nil {
			a.err = a.now.err
		}
		if a.err != nil {
			return nil, a.err
		}
		if a.now.whole != nil {
			a.free <- a.now // has room for all buffers
		}
		a.now = <-a.used
		a.rest = a.now.whole[:a.now.n]
	}
	p := a.rest[:min(n, len(a.rest))]
	a.rest = a.rest[len(p):]
	return p, nil
}

// close ends the reading, once a Read of r that is going on returns.
func (a *ahead) close() {
	if a.err == nil {
		a.err = errors.New("read ahead: is closed")
	}
	a.rest = nil
	close(a.stop)
	a.work.Wait()
}
