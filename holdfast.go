// Package holdfast holds the nouns of Holdfast: what a backup, a manifest, a
// vault, a source, a policy and a finding are. It depends on the standard
// library alone; everything that acts on these nouns lives in internal/ and
// meets in cmd/.
//
// The words are those of the field. A host runs the pusher; a job is a named
// thing backed up on a host; a backup is one committed result of one job, that
// is a manifest and one data object per stream; a vault is where backups live;
// the broker is the one party that names, admits and commits them.
package holdfast

import (
	"errors"
	"fmt"
	"regexp"
)

// Errors that callers branch on. Backends wrap them with the object's key.
var (
	// ErrNotExist: no such object, upload or backup. Also the answer for
	// what exists but is not the caller's.
	ErrNotExist = errors.New("does not exist")
	// ErrExist: something else is stored under that name already.
	ErrExist = errors.New("already exists")
	// ErrConflict: a conditional write found another state than expected.
	ErrConflict = errors.New("changed by someone else")
	// ErrLocked: a retention lock of the vault forbids the deletion for now.
	ErrLocked = errors.New("locked until its date")
	// ErrCorrupt: bytes differ from what their checksum, size or signature says.
	ErrCorrupt = errors.New("corrupt")
	// ErrFull: the vault has no room left.
	ErrFull = errors.New("no space left")
)

var (
	namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	filePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$`)
)

// CheckName returns an error unless s can name a host, a job or a stream:
// lower-case letters, digits and hyphens, at most 63, not starting with a
// hyphen. what says which of them, for the message.
func CheckName(what, s string) error {
	if !namePattern.MatchString(s) {
		return fmt.Errorf("%s %q: must match [a-z0-9][a-z0-9-]{0,62}", what, s)
	}
	return nil
}

// CheckFile returns an error unless s can be the file name of a data object
// beside a manifest: letters, digits, hyphens, underscores and single dots
// between them, at most 128 bytes, and not one of the names kept for Holdfast.
func CheckFile(s string) error {
	if len(s) > 128 || !filePattern.MatchString(s) || s == ManifestFile || s == HoldFile {
		return fmt.Errorf("file name %q: not usable in a vault", s)
	}
	return nil
}
