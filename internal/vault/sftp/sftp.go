// Package sftp is a vault in a directory on a server that is reached by SSH.
// Whoever opens it holds an SSH key of its own: there is nothing to sign for
// others, so SignPart and SignDownload are errors.ErrUnsupported, and parts come
// by SendPart.
//
// Package layout says what lies where in the directory, which can be opened as a
// disk vault where it lies, and the other way round.
//
// # How it stays whole
//
// An object is written under a temporary name, flushed where the server can
// (fsync@openssh.com), and then linked to its key (hardlink@openssh.com) or
// renamed: whole or absent, and never replaced. Without hardlink@openssh.com that
// nothing is replaced rests on the server's rename, which must refuse a name that
// is taken, as the protocol's version 3 says.
//
// A server may forbid to rename or to remove. Which it does is tried, once for
// each connection. Objects are then written in place, under their own names: a
// small one (Put) between its two marks, so that it does not exist for anybody who
// reads until it is done. A large one (an upload) is visible while it grows, and it
// is its manifest, put after it, that makes a backup of it. Nothing is cleaned up on
// such a server; what a crash leaves there is hidden, or an object without a
// manifest, for a sweep with other rights.
//
// Where modes can't be changed either, files are made read-only, so that not even
// their owner can open one again to write: an upload is then written through the
// file that was open since it was made, and ends with the connection (seal.go).
//
// # What is proven, and what is not
//
// The bytes of a part are compared with its checksum on their way out, and SSH
// guards them on the way; the server does not say what it has stored. A part
// counts once it is flushed. That all parts have come is known to the Vault which
// sent them and is not stored: an upload can't be completed by another. On
// completion the size is compared. What lies on the server is read again by the
// monitor and by drills, not here. A server without fsync@openssh.com may lose in
// a power failure what it has acknowledged, and no server flushes its directories
// when asked: a backup of the last seconds before a power failure may be gone.
//
// Whoever holds the key can do whatever the server lets it do, which includes
// changing the bytes of files that it can write: docs/sftp.md says what that means.
package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path"
	"strconv"
	"sync"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/secret"
)

// What is wrong between here and the server, told apart for those who can mend it.
var (
	// ErrHostKey: the server has shown a key that it is not known by.
	ErrHostKey = errors.New("the server's host key is not the one it is known by")
	// ErrRefused: the server does not let this user in with this key.
	ErrRefused = errors.New("the server refuses this user with this key")
	// ErrUnreachable: there is no connection to the server, or it was lost.
	ErrUnreachable = errors.New("no connection")
	// ErrNoDirectory: the vault's directory is not there.
	ErrNoDirectory = errors.New("there is no such directory on the server")
	// ErrDenied: the server does not allow it.
	ErrDenied = errors.New("the server does not allow it")
)

// Options say where the server is and who logs in.
type Options struct {
	Host string
	Port int // default 22
	User string
	// Path is the vault's directory; relative to where the server puts the user
	// unless it begins with a slash. Default: that place itself.
	Path string
	// Key is the private key, in OpenSSH's format, and Passphrase what it is
	// encrypted with.
	Key, Passphrase secret.Secret
	// HostKeys are what the server may prove itself with: fingerprints (SHA256:…) or
	// public keys. KnownHosts is a file of OpenSSH's that says so, instead.
	HostKeys   []string
	KnownHosts string
	// Certify returns a certificate for the key, whose public half is given; both are
	// lines as in an authorized_keys file. It is called for each connection. Nil: the
	// key alone.
	Certify func(ctx context.Context, public string) (certificate string, err error)
	// Requests is how many requests of 32 KiB are on their way at once in a
	// transfer. Default 64.
	Requests int
	// Create makes the directory if it is not there.
	Create bool

	// Timeout is how long the server may say nothing to what it is asked. Default a
	// minute.
	Timeout time.Duration
	// GiveUp is how long it is tried to reach the server again after it has worked.
	// Default two minutes.
	GiveUp time.Duration
	// Now is the clock that uploads are dated by. Default time.Now.
	Now func() time.Time
	// Log takes what went wrong and was mended. Default: nowhere.
	Log *slog.Logger
}

// Vault implements holdfast.Vault and holdfast.Receiver.
type Vault struct {
	o     Options
	login login
	pins  pins
	addr  string

	pause    time.Duration // before the first attempt to connect again
	dialTime time.Duration // that connecting, logging in and opening a session may take, each
	stderr   io.Writer     // takes what the SFTP server says beside the protocol

	mu      sync.Mutex
	conn    *conn    // the last one; may be dead
	dialing *dialing // nil: nobody is
	worked  bool     // there was a connection
	rooted  bool     // the directory has been seen
	closed  bool

	uploads uploads
	puts    puts
}

// New returns the vault. It checks keys, and does not connect before it is used.
// Close it after use.
func New(o Options) (*Vault, error) {
	v, err := newVault(o)
	if err != nil {
		return nil, fmt.Errorf("open vault at %s: %w", o.Host, err)
	}
	return v, nil
}

func newVault(o Options) (*Vault, error) {
	if o.Host == "" || o.User == "" {
		return nil, errors.New("no server or no user given")
	}
	setDefaults(&o)
	login, err := newLogin(o)
	if err != nil {
		return nil, err
	}
	v := &Vault{
		o: o, login: login, addr: net.JoinHostPort(o.Host, strconv.Itoa(o.Port)), pause: firstPause, dialTime: o.Timeout, stderr: io.Discard,
	}
	if v.pins, err = newPins(o, v.addr); err != nil {
		return nil, err
	}
	return v, nil
}

func setDefaults(o *Options) {
	if o.Port == 0 {
		o.Port = 22
	}
	if o.Requests == 0 {
		o.Requests = 64
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	if o.GiveUp == 0 {
		o.GiveUp = 2 * time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Path != "" {
		o.Path = path.Clean(o.Path)
	}
}

// Close ends the connection. No call may follow; those under way fail.
func (v *Vault) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.closed = true
	if v.conn != nil {
		v.conn.close(ErrUnreachable)
	}
	return nil
}

// wrap says what was done with which key, and at which server it failed.
func (v *Vault) wrap(doing, key string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %q at %s: %w", doing, key, v.o.Host, err)
}

var (
	_ holdfast.Vault    = (*Vault)(nil)
	_ holdfast.Receiver = (*Vault)(nil)
)
