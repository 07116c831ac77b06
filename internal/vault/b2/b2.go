// Package b2 is a vault in a bucket of Backblaze B2. What hosts send goes over B2's
// S3-compatible API, for which requests can be signed that bind name, length and
// MD5; everything else goes over B2's own API, which lists and deletes versions,
// authorizes downloads and shows lifecycle rules. Both take the same application
// key; the account's master key is not taken by the first. It makes and configures
// no bucket, and keeps nothing between calls but an account token.
//
// # What an object is
//
// B2 has no conditional writes: whoever stores under a name that is taken adds a
// version, and hiding a name adds a marker. So here an object is the oldest version
// of its name. Later versions and markers, whoever made them, change nothing that
// Holdfast lists, reads or signs; Posture reports them, Delete removes them too. Put
// looks, stores, and looks again: who is not the oldest then has lost, and takes
// back what it stored if its key may.
//
// A document of state is a chain instead. Each version says in its file
// information which version it replaces; of several that replace the same one the
// oldest counts, and its writer is who gets no ErrConflict (state.go).
//
// Both rest on B2 showing, once it has answered an upload, all versions that it
// sorts before it. For large files that would not do, which may be sorted by when
// they were started: so of the uploads of one name only the one that was started
// first completes while it is there (claim). A Put and a CompleteUpload of the same
// name at the same moment could both succeed; Holdfast has no such names.
//
// # Capabilities
//
// All calls need listBuckets, which shows a key that is held to one bucket no other.
//
//	List, ListUploads, Hidden   listFiles
//	Open, Load                  listFiles, readFiles
//	Put                         listFiles, writeFiles
//	StartUpload, SignPart, AbortUpload
//	                            writeFiles
//	CompleteUpload              listFiles, writeFiles
//	SignDownload                listFiles, shareFiles; where a name has further
//	                            versions, or begins others, readFiles
//	SignPage                    readFiles
//	Delete, DeleteBatch         listFiles, deleteFiles; to tell a lock from other
//	                            refusals readFileRetentions, readFileLegalHolds
//	Swap                        listFiles, writeFiles; deleteFiles to remove what it
//	                            has replaced
//	Posture                     listFiles
//
// # Blazer
//
// The package uses blazer's low level, base. Its high level, b2, repeats a call that
// fails with 408, 429, 5xx or no answer at all until the context ends, re-authorizes
// in a loop, waits as long as Retry-After says, shares a random source and a table of
// writers between all clients, and has no way to one version's bytes. Base sends one
// request per call and ends with its context, so here every call gets a deadline of
// its own and a number of attempts. What base leaves to its caller: it dereferences a
// missing apiInfo (a foreign server's answer panics), reads answers without bound,
// changes an account in place under other calls when its token is renewed, tells
// errors by a type that does not unwrap, does not say which capabilities a key has,
// can't open a version by id, can't list unfinished large files below a prefix, and
// knows no file lock. Deadlines, bounds and renewal are account.go's; versions are
// opened, and locks looked at, over S3; unfinished large files are found among the
// versions.
package b2

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/vault/s3"
)

// Options say which bucket it is, and with which key it is reached.
type Options struct {
	Bucket string
	// Prefix is what all names begin with, without slashes around it.
	Prefix string
	// KeyID and Key are an application key.
	KeyID string
	Key   secret.Secret
	// API is the URL of B2's own API. Default: B2's.
	API string
	// Now is the clock that signatures count from. Default time.Now.
	Now func() time.Time
	// Transport sends all requests. Default: one like Go's own.
	Transport http.RoundTripper
}

// Vault implements holdfast.Vault.
type Vault struct {
	*account
	prefix string // empty, or with a slash at its end
	limits holdfast.UploadLimits
	now    func() time.Time
}

// New returns the vault in a bucket. It sends no request: what is wrong with the
// key or the bucket shows with the first call.
func New(o Options) (*Vault, error) {
	if o.Bucket == "" || o.KeyID == "" || o.Key.IsZero() {
		return nil, errors.New("open vault: a bucket and an application key with its id are needed")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	store, err := s3.Preset("b2")
	if err != nil {
		return nil, fmt.Errorf("open vault %q: %w", o.Bucket, err)
	}
	v := &Vault{prefix: strings.Trim(o.Prefix, "/"), now: o.Now, limits: holdfast.UploadLimits{MaxParts: store.MaxParts, Checksum: store.Checksum}}
	if v.prefix != "" {
		v.prefix += "/"
	}
	v.account = newAccount(o, store, v.claim)
	return v, nil
}

// maxSegment is the longest of what stands between slashes in a name, in bytes:
// https://www.backblaze.com/docs/cloud-storage-files.
const maxSegment = 250

// checkKey is holdfast.CheckKey where the vault's prefix is part of what B2 bounds.
func (v *Vault) checkKey(key string) error {
	if len(v.prefix)+len(key) > holdfast.MaxKey {
		return fmt.Errorf("key %q: not usable in a vault", key)
	}
	return holdfast.CheckKey(key, maxSegment)
}

// doing names what failed and for which key or prefix.
func doing(ctx context.Context, what, key string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return fmt.Errorf("%s %q: %w", what, key, err)
}

var _ holdfast.Vault = (*Vault)(nil)
