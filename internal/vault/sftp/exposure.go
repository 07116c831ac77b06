package sftp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	pkgsftp "github.com/pkg/sftp"

	"github.com/holdfast-backup/holdfast"
)

// Exposure tries on an object, which the caller has put there with this body and
// which is gone afterwards if the server lets it be, what whoever holds the SSH key
// can do there besides adding. OK says that the server forbids it.
func (v *Vault) Exposure(ctx context.Context, key string, body []byte) ([]holdfast.Examination, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	found, err := do(ctx, v, func(o op) ([]holdfast.Examination, error) { return o.exposure(key, body) })
	return found, v.wrap("try what can be done to", key, err)
}

func (o op) exposure(key string, body []byte) ([]holdfast.Examination, error) {
	var found []holdfast.Examination
	for _, try := range []struct {
		name, means string
		do          func(string) error
	}{
		{"list backups", "their names, times and sizes can be seen", o.tryList},
		{"read backups", "what is encrypted stays unreadable without the key", o.tryRead},
		{"overwrite backups", "a backup can be spoilt", func(key string) error { return o.tryOverwrite(key, body) }},
		{"rename backups", "a backup can be hidden", o.tryRename},
		{"delete backups", "backups can be destroyed", o.tryDelete},
	} {
		err := try.do(key)
		switch {
		case isLost(err) || o.ctx.Err() != nil:
			return nil, errors.Join(err, o.ctx.Err())
		case err != nil:
			found = append(found, holdfast.Examination{Name: try.name, OK: true, Detail: fmt.Sprintf("refused: %v", err)})
		default:
			found = append(found, holdfast.Examination{Name: try.name, Detail: "the server allows it: " + try.means})
		}
	}
	return found, nil
}

func (o op) tryList(key string) error {
	_, err := o.readDir(path.Dir(key))
	return err
}

func (o op) tryRead(key string) error {
	_, err := o.read(key, 1)
	return err
}

// tryOverwrite writes what is there already. Where the file's mode forbids that,
// whoever owns it may change the mode.
func (o op) tryOverwrite(key string, body []byte) error {
	err := o.rewrite(key, body)
	if err == nil || o.chmod(key, 0o600) != nil && o.chmodOpen(key, 0o600) != nil {
		return err
	}
	return o.rewrite(key, body)
}

// chmodOpen is chmod by way of a file that is open for reading: another request,
// which a server may overlook.
func (o op) chmodOpen(key string, mode fs.FileMode) error {
	f, err := o.open(key, os.O_RDONLY)
	if err != nil {
		return err
	}
	err = o.call(func(*pkgsftp.Client) error { return f.Chmod(mode) })
	return errors.Join(err, o.close(f))
}

func (o op) rewrite(key string, body []byte) error {
	f, err := o.open(key, os.O_WRONLY)
	if err != nil {
		return err
	}
	err = o.call(func(*pkgsftp.Client) error {
		_, err := f.WriteAt(body, 0)
		return err
	})
	return errors.Join(err, o.close(f))
}

// tryRename leaves the object where it was, as far as it can.
func (o op) tryRename(key string) error {
	away := path.Join(path.Dir(key), ".moved-"+path.Base(key))
	posix := func(from, to string) error {
		return o.call(func(c *pkgsftp.Client) error { return c.PosixRename(o.path(from), o.path(to)) })
	}
	rename := o.rename
	err := rename(key, away)
	if err != nil {
		rename = posix
		if rename(key, away) != nil {
			return err
		}
	}
	_ = rename(away, key)
	return nil
}

func (o op) tryDelete(key string) error {
	if err := o.remove(key); err != nil {
		return err
	}
	_ = o.delete(key) // and what belongs to it
	return nil
}
