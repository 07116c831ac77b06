package sftp

import (
	"crypto/rand"
	"errors"
	"os"
	"path"
	"sync"
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
	if a.removing, err = o.removes(); err != nil {
		return nil, err
	}
	// Of names that there are not: a server that allows it finds none.
	err = o.rename(path.Join(tempDir, "no-"+rand.Text()), path.Join(tempDir, "no-"+rand.Text()))
	if isLost(err) || o.ctx.Err() != nil {
		return nil, err
	}
	a.rename = !forbidden(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.allows == nil {
		c.allows = a
	}
	return c.allows, nil
}

// removes tries whether a file can be removed.
func (o op) removes() (bool, error) {
	if err := o.ensureDir(tempDir); err != nil {
		return false, err
	}
	name := path.Join(tempDir, "probe")
	f, err := o.open(name, os.O_WRONLY|os.O_CREATE)
	if errors.Is(err, ErrDenied) {
		return false, nil // it is there, and can't be written any more
	}
	if err != nil {
		return false, o.full(err)
	}
	if err := o.close(f); err != nil {
		return false, err
	}
	err = o.remove(name)
	if forbidden(err) {
		return false, nil
	}
	return err == nil, err
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
