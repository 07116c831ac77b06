package sftp

import (
	"errors"
	"os"
	"sync"

	pkgsftp "github.com/pkg/sftp"

	"github.com/holdfast-backup/holdfast/internal/vault/layout"
)

// allows is what a server lets this user do, as far as has been tried on one
// connection.
type allows struct {
	mu                     sync.Mutex
	link, rename, removing bool
}

// way is how an object gets its name.
type way int

const (
	byLink way = iota
	byRename
	inPlace
)

// way returns how to make objects on this connection. What is linked needs its
// first name removed, or its bytes would stay when the object goes.
func (o op) way() (way, error) {
	a, err := o.allows()
	if err != nil {
		return 0, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.link && a.removing:
		return byLink, nil
	case a.rename:
		return byRename, nil
	}
	return inPlace, nil
}

// allows tries, once on a connection, what the server forbids. One name, always the
// same, is all that this leaves on a server where nothing can be removed.
func (o op) allows() (*allows, error) {
	c := o.s.conn
	c.mu.Lock()
	known := c.allows
	c.mu.Unlock()
	if known != nil {
		return known, nil
	}
	a := &allows{}
	_, a.link = o.s.client.HasExtension("hardlink@openssh.com")
	var err error
	modes := false
	if a.removing, modes, err = o.removes(); err != nil {
		return nil, err
	}
	// Of names that there are not: a server that allows it finds none.
	err = o.rename(layout.TempPath("no-"+layout.NewID()), layout.TempPath("no-"+layout.NewID()))
	if isLost(err) {
		return nil, err
	}
	if ended := o.ctx.Err(); ended != nil {
		return nil, ended // which a server that answers anything to this leaves out of err
	}
	a.rename = !forbidden(err)
	// Where nothing can be taken back, and modes can't either, they are what keeps
	// files from being overwritten.
	c.seals.Store(!a.removing && !a.rename && !modes)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.allows == nil {
		c.allows = a
	}
	return c.allows, nil
}

// removes tries whether a file can be removed, and whether its mode can be changed.
func (o op) removes() (removing, modes bool, err error) {
	if err := o.ensureDir(layout.TempDir); err != nil {
		return false, false, err
	}
	name := layout.TempPath("probe")
	f, err := o.open(name, os.O_WRONLY|os.O_CREATE)
	if errors.Is(err, ErrDenied) {
		// It is there, and can't be written any more.
		err := o.chmod(layout.TempPath("no-"+layout.NewID()), 0o644)
		if isLost(err) {
			return false, false, err
		}
		return false, !forbidden(err), nil
	}
	if err != nil {
		return false, false, o.full(err)
	}
	byName := o.chmod(name, 0o644)
	byFile := o.call(func(*pkgsftp.Client) error { return f.Chmod(0o644) })
	if err := o.close(f); err != nil {
		return false, false, err
	}
	if isLost(byName) || isLost(byFile) {
		return false, false, errors.Join(byName, byFile)
	}
	modes = !forbidden(byName) || !forbidden(byFile)
	err = o.remove(name)
	if forbidden(err) {
		return false, modes, nil
	}
	return err == nil, modes, err
}

func forbidden(err error) bool {
	return errors.Is(err, ErrDenied) || errors.Is(err, errors.ErrUnsupported)
}

// forbid notes that the server has refused what it seemed to allow.
func (o op) forbid(w way) {
	a, err := o.allows()
	if err != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if w == byLink {
		a.link = false
	} else {
		a.rename = false
	}
}
