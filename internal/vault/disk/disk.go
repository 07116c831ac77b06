// Package disk is a vault in a directory: the embedded default of `holdfast
// serve`. Objects are plain files, so a backup can be copied and restored by
// hand. It survives a crash or power failure at any point, on any local file
// system with hard links, and any number of processes may work on one
// directory at once. It does not protect against someone with access to the
// directory itself, keeps no versions and no locks until a date, and is not for
// network file systems, whose flock may be no lock at all.
//
// Package layout says what lies where in the directory. Directories have mode 0700,
// files 0600.
//
// # How it stays whole
//
// An object appears by link(2) of a file that is already on disk in full, which
// fails if the key is taken: whole or absent, and never replaced.
//
// The schedule of part sizes is fixed, so a part is written where it belongs at
// once and nothing is copied when the upload completes. A receipt exists only
// for bytes that were compared with the signed checksum and flushed, and it is
// removed before a part is written anew: whatever the moment of a crash, there
// is no receipt for garbage.
//
// Completing renames data to sealed, cuts it to size, flushes it, links it to
// its key and removes the upload. A part is written to the file named data only,
// so from the first of these steps on no signed request can reach the bytes.
// Every part that is stored has the full size of its place, but for one, so that
// an upload has few files for the room it takes: sending many costs as much as
// storing much.
//
// After a crash in between, completing can be repeated, or New removes what is
// left once the object is there.
package disk

import (
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
)

const (
	stateLock = ".state.lock"

	dirMode  = 0o700
	fileMode = 0o600
)

// sealer makes and opens what signed URLs carry (package token). What it seals
// nobody can make up or change, and it fits into a segment of a URL's path once
// escaped.
type sealer interface {
	Seal(kind string, claims any, expires time.Time) (string, error)
	Open(kind, sealed string, claims any, now time.Time) error
}

// Options are what a Vault needs for signed requests. Without them, everything
// but signing works.
type Options struct {
	// BaseURL is where Handler is reached from outside, without a slash at its end.
	BaseURL string
	// Sealer signs what the URLs carry. Without it signing is an error.
	Sealer sealer
	// Now is the clock that signatures expire by. Default time.Now.
	Now func() time.Time
	// Log takes what goes wrong in Handler through no fault of the client's.
	// Default: nowhere.
	Log *slog.Logger
}

// Vault implements holdfast.Vault.
type Vault struct {
	root    *os.Root
	base    *url.URL
	sealer  sealer
	now     func() time.Time
	log     *slog.Logger
	sending sending
}

// New opens the vault in the directory root and makes it if it is not there. It
// removes what an earlier crash has left behind. Close it after use.
func New(root string, o Options) (*Vault, error) {
	v, err := open(root, o)
	if err != nil {
		return nil, fmt.Errorf("open vault %q: %w", root, err)
	}
	return v, nil
}

func open(root string, o Options) (*Vault, error) {
	if root == "" {
		return nil, fmt.Errorf("no directory given")
	}
	dir, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	base, err := url.Parse(strings.TrimRight(o.BaseURL, "/"))
	if err != nil {
		return nil, fmt.Errorf("base URL: %v", err)
	}
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, cause(err)
	}
	r, err := os.OpenRoot(dir)
	if err != nil {
		return nil, cause(err)
	}
	v := &Vault{root: r, base: base, sealer: o.Sealer, now: o.Now, log: o.Log}
	if v.now == nil {
		v.now = time.Now
	}
	if v.log == nil {
		v.log = slog.New(slog.DiscardHandler)
	}
	if err := v.recover(); err != nil {
		r.Close()
		return nil, cause(err)
	}
	return v, nil
}

// Close lets go of the directory. No call may follow or be under way.
func (v *Vault) Close() error { return v.root.Close() }

var (
	_ holdfast.Vault    = (*Vault)(nil)
	_ holdfast.Receiver = (*Vault)(nil)
)
