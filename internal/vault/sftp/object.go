package sftp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	pkgsftp "github.com/pkg/sftp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/vault/layout"
)

// Put implements holdfast.Putter.
func (v *Vault) Put(ctx context.Context, key string, body []byte) error {
	if err := checkKey(key); err != nil {
		return err
	}
	return v.wrap("put", key, v.put(ctx, key, body))
}

func (v *Vault) put(ctx context.Context, key string, body []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	leave, err := v.puts.enter(ctx, key)
	if err != nil {
		return err
	}
	defer leave()
	_, err = do(ctx, v, func(o op) (none struct{}, err error) { return none, v.putOnce(o, key, body) })
	return err
}

func (v *Vault) putOnce(o op, key string, body []byte) error {
	s, err := o.look(key)
	switch {
	case err != nil:
		return err
	case s.there():
		return o.putAgain(key, s.info.Size(), body)
	case s.hidden && s.info != nil && !v.puts.mine(key):
		return fmt.Errorf("it was begun in place and not finished: %w", holdfast.ErrExist)
	}
	if strings.HasPrefix(key, holdfast.StatePrefix) {
		if doc, err := o.newest(key); err == nil {
			return o.putAgain(doc.name, doc.info.Size(), body)
		}
	}
	w, err := o.way()
	if err != nil {
		return err
	}
	if w != inPlace && s.info == nil {
		if err = o.putByTemp(key, body, s); !errors.Is(err, errInPlace) {
			return err
		}
	}
	return v.putInPlace(o, key, body, s)
}

// putByTemp puts by way of a temporary name.
func (o op) putByTemp(key string, body []byte, s seen) error {
	p := placing{key: key}
	if err := p.write(o, body); errors.Is(err, fs.ErrExist) {
		return o.putAgain(key, int64(len(body)), body)
	} else if err != nil {
		return err
	}
	if s.begun && !s.done {
		// Somebody meant to write it in place, and did not get to it.
		return o.ensureDir(layout.DoneMark(key))
	}
	return nil
}

// putInPlace puts where there are no temporary names.
func (v *Vault) putInPlace(o op, key string, body []byte, s seen) error {
	err := v.makeInPlace(o, key, body, s)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("somebody else is writing it: %w", holdfast.ErrExist)
	}
	return err
}

// makeInPlace writes an object under its own name, between its marks; fs.ErrExist
// if that is taken.
func (v *Vault) makeInPlace(o op, key string, body []byte, s seen) error {
	if err := o.makeDirs(path.Dir(key)); err != nil {
		return err
	}
	if s.info == nil && s.done {
		// What is left of an object that was deleted: it must not vouch for this one.
		if err := o.rmdir(layout.DoneMark(key)); err != nil {
			return err
		}
	}
	if err := o.ensureDir(layout.BegunMark(key)); err != nil {
		return err
	}
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if v.puts.mine(key) {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := o.open(key, flags)
	err = o.taken(key, err)
	if err == nil || isLost(err) {
		// Nobody else gets this far with this key, so it can be tried again.
		v.puts.claim(key)
	}
	switch {
	case errors.Is(err, ErrDenied) && flags&os.O_TRUNC != 0:
		// It was made, the connection lost, and it can't be written any more.
		if o.putAgain(key, int64(len(body)), body) != nil {
			return errOnce
		}
	case err != nil:
		return err
	default:
		if err := o.fill(f, body); err != nil {
			return err
		}
	}
	if err := o.ensureDir(layout.DoneMark(key)); err != nil {
		return err
	}
	v.puts.release(key)
	return nil
}

// putAgain is Put where the key is taken.
func (o op) putAgain(name string, size int64, body []byte) error {
	if size != int64(len(body)) {
		return holdfast.ErrExist
	}
	present, err := o.read(name, size)
	if err != nil {
		return err
	}
	if !bytes.Equal(present, body) {
		return holdfast.ErrExist
	}
	return nil
}

// read returns the first size bytes of a small file, or fewer if it has fewer.
func (o op) read(name string, size int64) ([]byte, error) {
	f, err := o.open(name, os.O_RDONLY)
	if err != nil {
		return nil, notExist(err)
	}
	body := make([]byte, size)
	err = o.call(func(*pkgsftp.Client) error {
		n, err := f.ReadAt(body, 0)
		body = body[:n]
		if err == io.EOF {
			err = nil
		}
		return err
	})
	if closing := o.close(f); err == nil {
		err = closing
	}
	return body, err
}

// Delete implements holdfast.Deleter. Directories that it leaves empty go too.
func (v *Vault) Delete(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return v.wrap("delete", key, err)
	}
	if checkKey(key) != nil {
		return nil
	}
	_, err := do(ctx, v, func(o op) (none struct{}, err error) { return none, o.delete(key) })
	return v.wrap("delete", key, err)
}

func (o op) delete(key string) error {
	s, err := o.look(key)
	if errors.Is(err, holdfast.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	document := strings.HasPrefix(key, holdfast.StatePrefix)
	if s.info == nil && !s.begun && !s.done && !document {
		return nil
	}
	if s.info != nil {
		if err := o.remove(key); err != nil {
			return err
		}
	}
	// Marks go last, and the one that vouches first: what is begun and not done is
	// not there.
	for _, m := range []struct {
		there bool
		name  string
	}{{s.done, layout.DoneMark(key)}, {s.begun, layout.BegunMark(key)}} {
		if m.there {
			if err := o.rmdir(m.name); err != nil && !isNotExist(err) {
				return err
			}
		}
	}
	if document {
		if err := o.deleteDocument(key); err != nil {
			return err
		}
	}
	o.removeEmpty(path.Dir(key))
	return nil
}

// removeEmpty removes dir and those above it as long as they are empty, which the
// server judges.
func (o op) removeEmpty(dir string) {
	for dir != "." && o.rmdir(dir) == nil {
		dir = path.Dir(dir)
	}
}

// SignDownload implements holdfast.DownloadSigner: there is nothing to sign with.
func (v *Vault) SignDownload(_ context.Context, key, _ string, _ time.Duration) (holdfast.Request, error) {
	return holdfast.Request{}, v.wrap("sign download of", key, errors.ErrUnsupported)
}
