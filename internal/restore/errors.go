package restore

import (
	"errors"
	"fmt"
	"strings"
)

// Errors of this package that callers branch on. They and the types below bear
// their advice in a method Hint, which the commands print.
var (
	// ErrUnknownKey: the manifest is signed with a key that is none of the host's.
	ErrUnknownKey error = advised{"signed with a key that is none of the host's", "add the host's key of that time to retired_keys, or pass --skip-signature if nobody has it any more"}
	// ErrTargetExists: a restore never overwrites.
	ErrTargetExists error = advised{"exists already", "restore into another place, or move it away"}
	// ErrNotEmpty: the target database has tables.
	ErrNotEmpty error = advised{"is not empty", "make a new database and restore into that, or pass --force"}
	// ErrIncomplete: the target database holds the marker of a restore that
	// did not finish.
	ErrIncomplete error = advised{"holds a restore that did not finish", "drop the database, make it again and repeat the restore"}
	// ErrNotFound: nothing in the archives lies at or under a path asked for.
	ErrNotFound error = advised{"not in the backup", "list what there is with: holdfast restore JOB --stdout | tar -t"}
)

type advised struct{ text, hint string }

func (e advised) Error() string { return e.text }

// Hint returns what to do about it.
func (e advised) Hint() string { return e.hint }

// ChoiceError says that the streams of a backup leave a choice, or none.
type ChoiceError struct {
	Reason  string
	Streams []string // that the backup has
}

// Error implements error.
func (e *ChoiceError) Error() string {
	return fmt.Sprintf("choose stream: %s among %s", e.Reason, strings.Join(e.Streams, ", "))
}

// Hint returns what to do about it.
func (e *ChoiceError) Hint() string { return "name one with --stream" }

// IdentityError says that no identity decrypts a stream.
type IdentityError struct {
	Stream     string
	Recipients []string // that it was encrypted to
}

// Error implements error.
func (e *IdentityError) Error() string {
	return fmt.Sprintf("decrypt stream %q: no identity that fits was given; it is encrypted to %s",
		e.Stream, strings.Join(e.Recipients, ", "))
}

// Hint returns what to do about it.
func (e *IdentityError) Hint() string {
	return "pass the identity whose public key is one of these with --identity; `age-keygen -y FILE` shows the public key of an identity file"
}

// ClientError is the failure of a database client.
type ClientError struct {
	Client string // psql, pg_restore, mysql, mariadb
	Err    error  // usually *exec.ExitError
	Stderr string // the end of what it said, without the password
}

// Error implements error.
func (e *ClientError) Error() string {
	if e.Stderr == "" {
		return fmt.Sprintf("%s: %v", e.Client, e.Err)
	}
	return fmt.Sprintf("%s: %v: %s", e.Client, e.Err, e.Stderr)
}

// Unwrap returns the cause.
func (e *ClientError) Unwrap() error { return e.Err }

// Hint returns what to do about it, where that can be told.
func (e *ClientError) Hint() string {
	switch {
	case strings.Contains(e.Stderr, "role \"") && strings.Contains(e.Stderr, "does not exist"):
		return "make the role first, or restore the stream of globals; a dump in custom format can be restored with --no-owner"
	case strings.Contains(e.Stderr, "not found in $PATH"), errors.Is(e.Err, errNoClient):
		return "install the database's client programs"
	}
	return ""
}

var errNoClient = errors.New("not installed")
