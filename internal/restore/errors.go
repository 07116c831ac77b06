package restore

import (
	"errors"
	"fmt"
	"strings"

	"github.com/holdfast-backup/holdfast"
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
	ErrNotFound error = advised{"not in the backup", "see what there is with: holdfast restore JOB --list"}
	// ErrNoSpace: the manifest announces more than there is room for.
	ErrNoSpace error = advised{"does not fit on this file system", "make room or restore into another place; one file of an archive comes with --path, and --stdout writes nothing here"}
)

var (
	errNoRestrict error = advised{"psql is too old to be kept from running what a dump tells it to run on this machine", "update psql to at least 13.22, 14.19, 15.14, 16.10, 17.6 or 18; --trust-host goes without, if nobody else can have had the host that the backup is of"}
	errGetsAround error = advised{`the dump holds \unrestrict, a zero byte or :LAST_ERROR_MESSAGE, by which it could have psql run programs on this machine`, trustHint}
)

const trustHint = "pg_dump writes nothing of the kind unless it is in the data; if nobody else can have had the host that the backup is of, pass --trust-host, else do that on a machine to be thrown away"

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
	Encryption holdfast.Encryption
}

// Error implements error.
func (e *IdentityError) Error() string {
	if e.Encryption.Passphrase() {
		return fmt.Sprintf("decrypt stream %q: no passphrase that fits was given", e.Stream)
	}
	var recipients []string
	for _, r := range e.Encryption.Recipients {
		recipients = append(recipients, holdfast.Printable(r))
	}
	return fmt.Sprintf("decrypt stream %q: no identity that fits was given; it is encrypted to %s",
		e.Stream, strings.Join(recipients, ", "))
}

// Hint returns what to do about it.
func (e *IdentityError) Hint() string {
	switch {
	case e.Encryption.Passphrase():
		return "it was encrypted with the passphrase that the host had then; put it into a file of mode 0600 and pass that with --passphrase-file"
	case e.Encryption.Format == holdfast.EncryptionOpenPGP:
		return "pass the OpenPGP secret key with one of these fingerprints with --identity; `gpg --export-secret-keys FINGERPRINT` writes one, `gpg --show-keys FILE` shows which a file holds"
	}
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
	case strings.Contains(e.Stderr, "backslash commands are restricted"):
		return "the dump holds commands that psql would run on this machine; " + trustHint
	case strings.Contains(e.Stderr, "role \"") && strings.Contains(e.Stderr, "does not exist"):
		return "make the role first, or restore the stream of globals; a dump in custom format can be restored with --no-owner"
	case strings.Contains(e.Stderr, "not found in $PATH"), errors.Is(e.Err, errNoClient):
		return "install the database's client programs"
	}
	return ""
}

var errNoClient = errors.New("not installed")
