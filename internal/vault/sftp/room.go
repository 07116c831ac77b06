package sftp

import (
	"context"
	"errors"

	pkgsftp "github.com/pkg/sftp"

	"github.com/holdfast-backup/holdfast"
)

// Free returns how many bytes there is room for; errors.ErrUnsupported where the
// server does not tell.
func (v *Vault) Free(ctx context.Context) (int64, error) {
	return do(ctx, v, func(o op) (int64, error) {
		room, err := o.room()
		if err != nil {
			return 0, err
		}
		return int64(room.Bavail * room.Frsize), nil
	})
}

// room returns what the server says of the file system that the vault lies on, which
// knows nothing of a quota; errors.ErrUnsupported where it has no statvfs@openssh.com.
func (o op) room() (room *pkgsftp.StatVFS, err error) {
	if _, can := o.s.client.HasExtension("statvfs@openssh.com"); !can {
		return nil, errors.ErrUnsupported
	}
	err = o.call(func(c *pkgsftp.Client) (err error) { room, err = c.StatVFS(o.path("")); return err })
	return room, err
}

// fewBytes and fewFiles are what is no room at all: some is kept for root.
const fewBytes, fewFiles = 1 << 20, 1

// full makes holdfast.ErrFull of a failure if the server says that there is no room.
func (o op) full(err error) error {
	if !errors.Is(err, errFailure) {
		return err
	}
	room, ask := o.room()
	if isLost(ask) {
		return ask
	}
	if ask == nil && (room.Bavail*room.Frsize < fewBytes || room.Files > 0 && room.Favail < fewFiles) {
		return holdfast.ErrFull
	}
	return err
}
