package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/vault/direct"
	"github.com/holdfast-backup/holdfast/internal/vault/sftp"
)

// directTimeout is how long all that is done at one destination may take.
const directTimeout = time.Minute

// direct looks whether backups can be sent to a destination that this host reaches
// by itself, and tries what else could be done there with what this host has.
func (d *doctor) direct(ctx context.Context, name string, to config.Destination) DirectReport {
	r := DirectReport{Name: name, Kind: "disk"}
	if to.SFTP != nil {
		r.Kind = "sftp"
	}
	ctx, cancel := context.WithTimeout(ctx, directTimeout)
	defer cancel()
	vault, err := d.Open(ctx, name)
	if err != nil {
		r.Examined = append(r.Examined, bad("open", err, hintOf(err)))
		return r
	}
	defer vault.Close()
	reachable := reach(ctx, vault, to)
	r.Examined = append(r.Examined, reachable)
	if !reachable.OK {
		return r
	}
	r.Examined = append(r.Examined, room(ctx, vault, to))
	key := holdfast.ScratchPrefix + "doctor-" + d.Config.Host
	written := write(ctx, vault, key)
	r.Examined = append(r.Examined, written)
	if !written.OK {
		return r
	}
	var failed error
	if to.Disk != nil {
		r.Exposed, failed = exposure(to.Disk.Path, key)
	} else if exposed, ok := vault.(exposed); ok {
		r.Exposed, failed = exposed.Exposure(ctx, key, []byte(probe))
	} else {
		failed = errors.New("this kind of vault cannot tell")
	}
	if failed != nil {
		r.Examined = append(r.Examined, bad("what this host could do there", fmt.Errorf("could not be tried: %w", failed), ""))
	}
	return r
}

// exposed is a vault that can tell what its credentials allow.
type exposed interface {
	// Exposure tries on an object that was put there with this body, and is gone afterwards if
	// that can be, what else can be done; OK says that it was refused.
	Exposure(ctx context.Context, key string, body []byte) ([]holdfast.Examination, error)
	// Free returns the room there is, in bytes; errors.ErrUnsupported where nobody tells.
	Free(ctx context.Context) (int64, error)
}

// reach lists what lies in the scratch space, which needs a connection and a login.
func reach(ctx context.Context, vault direct.Vault, to config.Destination) holdfast.Examination {
	const name = "reachable"
	for _, err := range vault.List(ctx, holdfast.ScratchPrefix) {
		if err != nil {
			return bad(name, err, hintOf(err))
		}
	}
	if to.Disk != nil {
		return good(name, to.Disk.Path)
	}
	return good(name, fmt.Sprintf("%s:%d as %s, with the host key that it is known by", to.SFTP.Host, to.SFTP.Port, to.SFTP.User))
}

// hintOf says what to do about a server that does not answer as it should.
func hintOf(err error) string {
	switch {
	case errors.Is(err, sftp.ErrHostKey):
		return "if the server was set up anew, compare its key and correct host_key or known_hosts; else somebody else answers"
	case errors.Is(err, sftp.ErrRefused):
		return "is the public key in the server's authorized_keys, for this user?"
	case errors.Is(err, direct.ErrNoDirectory):
		return "is its disk mounted? if there never was one, make it: install -d -m 0700 PATH"
	case errors.Is(err, sftp.ErrNoDirectory):
		return "make it on the server, or correct path"
	case errors.Is(err, sftp.ErrUnreachable):
		return "are host and port right, and the server running?"
	}
	return ""
}

// room tells how much room there is, which is of interest and no condition.
func room(ctx context.Context, vault direct.Vault, to config.Destination) holdfast.Examination {
	const name = "free space"
	if to.Disk != nil {
		free, err := freeBytes(to.Disk.Path)
		if err != nil {
			return bad(name, err, "")
		}
		return good(name, free.String())
	}
	if vault, ok := vault.(exposed); ok {
		if free, err := vault.Free(ctx); err == nil {
			return good(name, holdfast.Size(free).String())
		}
	}
	return good(name, "the server does not tell")
}

// write puts an object into the scratch space, the same each time: where nothing
// can be deleted one is all that is left.
func write(ctx context.Context, vault direct.Vault, key string) holdfast.Examination {
	const name = "writable"
	if err := vault.Put(ctx, key, []byte(probe)); err != nil {
		return bad(name, err, "let this user make files and directories there")
	}
	var keys []string
	for o, err := range vault.List(ctx, key) {
		if err != nil {
			return bad(name, err, "")
		}
		if o.Size == int64(len(probe)) {
			keys = append(keys, o.Key)
		}
	}
	if !slices.Contains(keys, key) {
		return bad(name, errors.New("what was written there does not show"), "")
	}
	return good(name, "a file was written there")
}
