package sftp

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	pkgsftp "github.com/pkg/sftp"

	"github.com/holdfast-backup/holdfast"
)

// Open implements holdfast.Reader. What follows is fetched ahead, a few requests at
// once, and goes on where it was after a connection was lost.
func (v *Vault) Open(ctx context.Context, key string, offset, n int64) (io.ReadCloser, error) {
	r, err := v.open(ctx, key, offset, n)
	if err != nil {
		return nil, v.wrap("open", key, err)
	}
	return r, nil
}

func (v *Vault) open(ctx context.Context, key string, offset, n int64) (*reader, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if checkKey(key) != nil {
		return nil, holdfast.ErrNotExist
	}
	found, err := do(ctx, v, func(o op) (generation, error) { return o.find(key) })
	if err != nil {
		return nil, err
	}
	size := found.info.Size()
	if offset < 0 || offset > size {
		return nil, fmt.Errorf("offset %d lies outside its %d bytes", offset, size)
	}
	if rest := size - offset; n < 0 || n > rest {
		n = rest
	}
	r := &reader{v: v, key: key, name: found.name, next: offset, end: offset + n, free: make(chan []byte, readAhead)}
	r.ctx, r.cancel = context.WithCancel(ctx)
	return r, nil
}

// find returns the file that the object of that key is.
func (o op) find(key string) (generation, error) {
	s, err := o.look(key)
	if err != nil {
		return generation{}, err
	}
	if strings.HasPrefix(key, holdfast.StatePrefix) {
		return o.document(key, s)
	}
	if !s.there() {
		return generation{}, holdfast.ErrNotExist
	}
	return generation{name: key, info: s.info}, nil
}

const (
	// readPiece is how much is asked for at once, in bytes: one request to OpenSSH's
	// server, several to others.
	readPiece = largePacket
	// readAhead is how many pieces are fetched before they are read.
	readAhead = 8
)

// reader reads one file.
type reader struct {
	v         *Vault
	ctx       context.Context
	cancel    context.CancelFunc
	key, name string

	next, end int64        // what is not yet asked for
	queue     []chan piece // what is on its way, in order
	first     []byte       // the piece that is being read, and …
	rest      []byte       // … what is left of it
	err       error
	free      chan []byte // pieces that have been read, for others

	mu     sync.Mutex
	handle handle
}

// handle is the file, open in a session.
type handle struct {
	o op
	f *pkgsftp.File
}

type piece struct {
	body []byte
	err  error
}

// Read implements io.Reader. It is for one goroutine at a time.
func (r *reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(r.rest) == 0 && r.err == nil {
		if r.err = r.ctx.Err(); r.err != nil {
			break
		}
		r.ask()
		if len(r.queue) == 0 {
			r.err = io.EOF
			break
		}
		select {
		case got := <-r.queue[0]:
			r.recycle()
			r.queue, r.first, r.rest, r.err = r.queue[1:], got.body, got.body, got.err
		case <-r.ctx.Done():
			r.err = r.ctx.Err()
		}
	}
	if len(r.rest) == 0 {
		if r.err == io.EOF {
			return 0, io.EOF
		}
		return 0, r.v.wrap("read", r.key, r.err)
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// recycle gives the memory of the piece that has been read to the next ones.
func (r *reader) recycle() {
	select {
	case r.free <- r.first:
	default:
	}
}

// buffer returns memory for n bytes.
func (r *reader) buffer(n int64) []byte {
	select {
	case b := <-r.free:
		if int64(cap(b)) >= n {
			return b[:n]
		}
	default:
	}
	return make([]byte, n)
}

// ask fetches ahead.
func (r *reader) ask() {
	for len(r.queue) < readAhead && r.next < r.end {
		at, n := r.next, min(readPiece, r.end-r.next)
		r.next += n
		answer := make(chan piece, 1)
		r.queue = append(r.queue, answer)
		go func() {
			body, err := r.fetch(at, n)
			answer <- piece{body, err}
		}()
	}
}

// fetch returns n bytes from at on.
func (r *reader) fetch(at, n int64) ([]byte, error) {
	return retry(r.ctx, r.v, func() ([]byte, error) {
		h, err := r.opened()
		if err != nil {
			return nil, err
		}
		body := r.buffer(n)
		err = h.o.call(func(*pkgsftp.Client) error {
			got, err := h.f.ReadAt(body, at)
			if int64(got) == n {
				return nil
			}
			return err
		})
		if err == io.EOF {
			return nil, fmt.Errorf("it ends before its %d bytes: %w", r.end, holdfast.ErrCorrupt)
		}
		return body, err
	})
}

// opened returns the open file, in another session where the last one was lost.
func (r *reader) opened() (handle, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.handle.f != nil && r.handle.o.s.conn.alive() {
		return r.handle, nil
	}
	if r.handle.f != nil {
		r.handle.o.end()
		r.handle = handle{}
	}
	o, err := r.v.begin(r.ctx, true)
	if err != nil {
		return handle{}, err
	}
	f, err := o.open(r.name, os.O_RDONLY)
	if err != nil {
		o.end()
		return handle{}, notExist(err)
	}
	r.handle = handle{o, f}
	return r.handle, nil
}

// Close implements io.Closer. It does not wait for the server.
func (r *reader) Close() error {
	r.cancel()
	go func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.handle.f != nil {
			o := r.handle.o
			o.ctx = context.WithoutCancel(o.ctx)
			_ = o.close(r.handle.f)
			o.end()
			r.handle = handle{}
		}
	}()
	return nil
}
