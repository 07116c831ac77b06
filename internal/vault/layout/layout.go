// Package layout is how a vault lies in a directory: the names, what is in the
// files, and the rules by which somebody who reads knows what is there. Package
// disk keeps a vault so on the disks of its own machine, package sftp on a server,
// and each finds what the other has left. It reads and writes nothing itself.
//
//	<root>/<key>                       an object
//	<root>/.tmp/<id>                   a file being written, or an upload being made or removed
//	<root>/.uploads/<id>/upload.json   an unfinished upload: its key, and when it was started
//	                     data          the parts, each at its place in the object
//	<dir>/.<name>.begun/               beside an object that is written in place: hides it …
//	<dir>/.<name>.done/                … until this is there
//
// These are package disk's alone, which locks, and completes what another process
// has begun:
//
//	<root>/.state.lock                 held while a document under state/ changes
//	<root>/.uploads/<id>/lock          held shared by who sends a part, alone by who completes or aborts
//	                     sealed        what data is renamed to before it becomes the object
//	                     short         the number of the one part that is shorter than its place
//	                     00001.json    the receipt of part 1: its size and checksum
//	                     00001.lock    held by who sends part 1, and there no longer
//
// And these are package sftp's, which does without a server that replaces files:
//
//	<root>/.tmp/probe                  what it tries on whether a server lets files be removed
//	<root>/state/.<name>/0000000042    a document that changes: the highest number is the document
//
// To package disk a document is the plain file of its key, which package sftp too
// reads as long as there is none of its own: let one of the two keep the state.
//
// # Keys
//
// A key is the path of its object, with the segments for directories. What begins
// with a dot is the vault's own and part of no key, so nothing that is stored can
// be taken for a mark, or reach one (holdfast.CheckKey).
//
// # Objects
//
// An object is a plain file in plain directories; links are nobody's. It gets its
// name when it is whole, and from then on is never changed.
//
// Where a server allows neither to rename nor to remove, an object can only be
// written under its own name. The mark .name.begun is then made before its first
// byte and .name.done after its last, and between the two it is not there for
// anybody who reads. A .name.begun that is younger than the object means nothing:
// nobody can hide what is there (Hides). A large object, which comes in parts, gets
// only .name.done, and is visible while it grows. Marks are directories: making one
// is the only thing that such a server does whole or not at all. When the object
// goes, they go after it, and the one that vouches for it first.
//
// # Closed directories
//
// A directory that may not be looked into, as of mode 0, hides what lies in it, and
// nothing else: below a job's a listing shows it as an object of no size whose key
// ends in a slash, which is no backup's (PassesOver).
//
// # Uploads
//
// The id is the name of the directory, 26 letters and digits (IsID). upload.json
// is two fields of JSON, in UTC:
//
//	{"key":"backups/web1/crm/20251028T140000Z-9f3c2a7d/crm.sql","started":"2025-10-28T14:00:00Z"}
//
// A directory where it can't be read, or says nothing (ParseRecord), is a damaged
// upload, which has no key any more. Others can make those: the name may be that of a
// directory, or of a file larger than MaxRecord, and the upload closed to us.
//
// Part n lies in data where the schedule of part sizes says (PartOffset), whatever
// came before it; what is missing is a hole. So every part but the last must have
// the full size of its place before data is an object (CheckParts).
//
// # What a crash leaves
//
// What has lain in .tmp for a day is nobody's any more (Abandoned).
package layout

import (
	"crypto/rand"
	"path"
	"regexp"
	"strings"
	"time"
)

// Directories of the vault's own.
const (
	TempDir    = ".tmp"
	UploadsDir = ".uploads"
)

// Files of an upload.
const (
	RecordFile = "upload.json"
	DataFile   = "data"
)

// Abandoned is the age from which on what lies in TempDir is nobody's any more.
// Nothing is in use there for longer than it takes to write a small file.
const Abandoned = 24 * time.Hour

// Own reports whether a name in a directory is one of the vault's own, and no part
// of a key.
func Own(name string) bool { return strings.HasPrefix(name, ".") }

var idPattern = regexp.MustCompile(`^[A-Z2-7]{26}$`)

// NewID returns a name that nobody else has, of an upload or a temporary file.
func NewID() string { return rand.Text() }

// IsID reports whether NewID can have made the id; nothing else becomes part of a
// path.
func IsID(s string) bool { return idPattern.MatchString(s) }

// TempPath returns where a temporary file lies.
func TempPath(name string) string { return path.Join(TempDir, name) }

// UploadDir returns the directory of an upload.
func UploadDir(id string) string { return path.Join(UploadsDir, id) }

// UploadPath returns where a file of an upload lies.
func UploadPath(id, file string) string { return path.Join(UploadsDir, id, file) }
