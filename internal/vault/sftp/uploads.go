package sftp

import (
	"context"
	"sync"

	pkgsftp "github.com/pkg/sftp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/vault/layout"
)

// uploads are those that this Vault has begun or sent to.
type uploads struct {
	mu  sync.Mutex
	all map[string]*upload
}

func (a *uploads) add(id string, u *upload) *upload {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.all == nil {
		a.all = map[string]*upload{}
	}
	if present := a.all[id]; present != nil {
		return present
	}
	a.all[id] = u
	return u
}

func (a *uploads) get(id string) *upload {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.all[id]
}

func (a *uploads) remove(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.all, id)
}

// upload is what is known here of an upload and nowhere else.
type upload struct {
	key     string
	inPlace bool // its data is the object itself
	made    made // that file, as long as the connection lives which made it

	mu      sync.Mutex
	closed  bool                  // no part is taken any more
	parts   map[int]holdfast.Part // that are stored and flushed
	sending map[int]*sender
}

// sender is a part on its way.
type sender struct {
	cancel context.CancelFunc
	done   chan struct{} // closed once nothing more of it can reach the server
}

// made is a file that is open since it was made. A server may let no file be opened
// for writing that it has already.
type made struct {
	s *session
	f *pkgsftp.File
}

// alive reports whether the file can still be written to.
func (m made) alive() bool { return m.f != nil && m.s.conn.alive() }

func newUpload(key string, inPlace bool) *upload {
	return &upload{key: key, inPlace: inPlace, parts: map[int]holdfast.Part{}, sending: map[int]*sender{}}
}

// data returns the name of the file that parts go to.
func (u *upload) data(id string) string {
	if u.inPlace {
		return u.key
	}
	return layout.UploadPath(id, layout.DataFile)
}

// enter waits until nobody else sends part n, and returns a context that ends with
// the upload. holdfast.ErrNotExist if that has ended. The caller calls leave once
// nothing more can reach the server.
func (u *upload) enter(ctx context.Context, n int) (sending context.Context, leave func(), err error) {
	for {
		u.mu.Lock()
		if u.closed {
			u.mu.Unlock()
			return nil, nil, holdfast.ErrNotExist
		}
		other := u.sending[n]
		if other == nil {
			break
		}
		u.mu.Unlock()
		select {
		case <-other.done:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
	defer u.mu.Unlock()
	s := &sender{done: make(chan struct{})}
	sending, s.cancel = context.WithCancel(ctx)
	u.sending[n] = s
	return sending, func() {
		s.cancel()
		u.mu.Lock()
		defer u.mu.Unlock()
		delete(u.sending, n)
		close(s.done)
	}, nil
}

// stored returns the part n if it is stored.
func (u *upload) stored(n int) (holdfast.Part, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	p, ok := u.parts[n]
	return p, ok
}

func (u *upload) forget(n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.parts, n)
}

func (u *upload) keep(p holdfast.Part) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.parts[p.Number] = holdfast.Part{Number: p.Number, Size: p.Size, Sum: p.Sum}
}

// shut takes no more parts and waits until none is on its way: who still sends one
// now is a sender that was given up long ago. open undoes it.
func (u *upload) shut(ctx context.Context) error {
	u.mu.Lock()
	u.closed = true
	var left []*sender
	for _, s := range u.sending {
		s.cancel()
		left = append(left, s)
	}
	u.mu.Unlock()
	for _, s := range left {
		select {
		case <-s.done:
		case <-ctx.Done():
			u.open()
			return ctx.Err()
		}
	}
	return nil
}

func (u *upload) open() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = false
}
