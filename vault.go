package holdfast

import (
	"context"
	"io"
	"iter"
	"time"
)

// The vault contract. A vault stores immutable objects under slash-separated
// keys. It is cut into narrow interfaces, each one permission, so that a
// function takes no more than it may do and an auditor can hold an IAM
// statement beside it. internal/vault/conform states every promise as a check.
//
// All methods are safe for concurrent use. All observe ctx. Errors wrap
// ErrNotExist, ErrExist, ErrConflict, ErrLocked, ErrCorrupt and ErrFull where
// those are named; anything else is a failure of the vault that may be retried. They
// say what was done to which key, which callers do not repeat.

// Lister lists what is stored. It reveals names, sizes and times only.
type Lister interface {
	// List yields the objects whose key begins with prefix, in ascending byte
	// order of their keys, in as few requests as the store allows. An object
	// is visible to List as soon as the call that stored it has returned.
	// After an error the sequence ends. A vault made of directories shows one
	// below a job's that it may not look into as an object whose key ends in a slash.
	List(ctx context.Context, prefix string) iter.Seq2[Object, error]
}

// Object is one stored object as a listing shows it.
type Object struct {
	Key     string    `json:"key"`
	Size    int64     `json:"size"`     // bytes
	ModTime time.Time `json:"mod_time"` // by the vault's clock, UTC
	// Adopted is set where a view of the vault shows something that Holdfast has not
	// made as part of a backup. No backend sets it.
	Adopted *Adopted `json:"adopted,omitempty"`
}

// Reader reads objects.
type Reader interface {
	// Open returns n bytes of the object from offset on, or all to its end if
	// n is negative. ErrNotExist if there is no such object. The caller closes.
	Open(ctx context.Context, key string, offset, n int64) (io.ReadCloser, error)
}

// Putter adds small objects; it can't change one.
type Putter interface {
	// Put stores body under key if nothing is there, atomically: the object
	// is whole or absent, whatever happens. If the very same bytes are there
	// already Put returns nil, so that repeating it is harmless; if others
	// are, it returns ErrExist and changes nothing.
	Put(ctx context.Context, key string, body []byte) error
}

// Uploader takes large objects in parts that a third party sends with signed
// requests. It can't read, replace or delete an object.
type Uploader interface {
	// UploadLimits returns what the vault demands of uploads. Constant.
	UploadLimits() UploadLimits
	// StartUpload begins an upload of the object key and returns it. Nothing
	// is visible under key until CompleteUpload.
	StartUpload(ctx context.Context, key string) (Upload, error)
	// SignPart returns a request that stores exactly the part p, its size and
	// its checksum bound by the signature, until ttl has passed. The store
	// refuses any other body. Sending a part again replaces it. It may refuse
	// a second part that is shorter than its number demands. ErrNotExist
	// where the vault can tell that there is no such upload.
	SignPart(ctx context.Context, u Upload, p Part, ttl time.Duration) (Request, error)
	// CompleteUpload makes the object of parts 1..len(parts), of size bytes
	// in all, visible under its key, atomically. ErrExist if the key is
	// taken, ErrCorrupt if a part is missing or differs from what is stored,
	// ErrNotExist if there is no such upload. After it no signed request of
	// the upload can change anything.
	CompleteUpload(ctx context.Context, u Upload, parts []Part, size int64) error
	// AbortUpload discards an upload. Nil if there is none.
	AbortUpload(ctx context.Context, u Upload) error
}

// Receiver takes the parts of uploads from whoever holds the vault's own
// credentials. It is the way to send where there is nothing to sign for others,
// as by SFTP: such a vault's SignPart is errors.ErrUnsupported.
type Receiver interface {
	Uploader
	// SendPart stores the part p, whose p.Size bytes body holds, of an upload.
	// ErrCorrupt if body holds others, ErrNotExist where the vault can tell that
	// there is no such upload, ErrFull. Sending a part again replaces it.
	SendPart(ctx context.Context, u Upload, p Part, body io.Reader) error
}

// UploadLister lists uploads that are neither completed nor aborted.
type UploadLister interface {
	// ListUploads yields the unfinished uploads of keys that begin with prefix,
	// in any order. One that is damaged beyond telling its key has none, and is
	// yielded where all backups are asked for.
	ListUploads(ctx context.Context, prefix string) iter.Seq2[Upload, error]
}

// UploadLimits is what a vault demands of uploads.
type UploadLimits struct {
	MaxParts int    // parts in an upload, at most 10,000
	Checksum string // algorithm of Part.Sum: ChecksumSHA256 or ChecksumMD5
}

// Checksum algorithms of parts.
const (
	ChecksumSHA256 = "sha256"
	ChecksumMD5    = "md5"
)

// Upload is an unfinished upload.
type Upload struct {
	Key     string    `json:"key"`                // empty where ListUploads can't tell
	ID      string    `json:"upload"`             // the store's own, opaque
	Started time.Time `json:"started,omitzero"`   // set by ListUploads
	Size    int64     `json:"received,omitempty"` // bytes it occupies, set by ListUploads where known
}

// Request is a signed HTTP request that anyone may send, once or again, until
// it expires. The headers are part of what is signed.
type Request struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Header  map[string]string `json:"header,omitempty"`
	Expires time.Time         `json:"expires"`
}

// DownloadSigner signs requests that read.
type DownloadSigner interface {
	// SignDownload returns a GET request for the object, which also accepts
	// Range, until ttl has passed. The answer carries file as the name to
	// save it under.
	SignDownload(ctx context.Context, key, file string, ttl time.Duration) (Request, error)
}

// PageSigner is a vault that can show a page of its state in a browser.
type PageSigner interface {
	// SignPage returns a GET request for an HTML document under StatePrefix,
	// which a browser then shows and does not save, until ttl has passed or the
	// signer's own credentials have, whichever is sooner.
	SignPage(ctx context.Context, key string, ttl time.Duration) (Request, error)
}

// Deleter deletes objects.
type Deleter interface {
	// Delete removes the object for good: on a versioned vault every version
	// and delete marker of the key, by version id. Nil if there is none;
	// ErrLocked, with everything left as it was, while a lock forbids it.
	Delete(ctx context.Context, key string) error
}

// MaxState is how large a document of a Stater may be, in bytes.
const MaxState = 64 << 20

// Stater keeps small documents that change, under StatePrefix, so that two
// writers at once can't lose each other's change.
type Stater interface {
	// Load returns the document and its tag; ErrNotExist if there is none,
	// ErrCorrupt for one of more than MaxState bytes, which nobody here wrote.
	Load(ctx context.Context, key string) (body []byte, tag string, err error)
	// Swap replaces the document whose tag is tag, or makes it where tag is
	// "", atomically; ErrConflict if the present tag is another. It returns
	// the new tag.
	Swap(ctx context.Context, key string, body []byte, tag string) (newTag string, err error)
}

// Vault is everything a backend does.
type Vault interface {
	Lister
	Reader
	Putter
	Uploader
	UploadLister
	DownloadSigner
	Deleter
	Stater
}
