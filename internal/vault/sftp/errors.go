package sftp

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	pkgsftp "github.com/pkg/sftp"

	"github.com/holdfast-backup/holdfast"
)

// errFailure is SSH_FX_FAILURE, the answer to whatever version 3 of the protocol
// has no code for: a name that is taken, a disk that is full.
var errFailure = errors.New("the server answers with a failure")

// lostError is a call that the connection was lost under: what became of it is not
// known.
type lostError struct{ err error }

func (l *lostError) Error() string { return fmt.Sprintf("the connection was lost: %v", l.err) }
func (l *lostError) Unwrap() error { return ErrUnreachable }

// Codes of draft-ietf-secsh-filexfer-02, and later ones that some servers use.
const (
	codeFailure        = 4
	codeNoConnection   = 6
	codeConnectionLost = 7
	codeUnsupported    = 8
	codeNoSuchPath     = 10
	codeExists         = 11
	codeWriteProtect   = 12
	codeNoSpace        = 14
	codeQuota          = 15
)

// cause makes of what a request has come to one of a few errors: fs.ErrNotExist,
// fs.ErrExist, ErrDenied, holdfast.ErrFull, errors.ErrUnsupported, errFailure, or
// a lostError for everything that is no answer.
func (s *session) cause(err error) error {
	var status *pkgsftp.StatusError
	switch {
	case err == nil || err == io.EOF:
		return err
	case errors.Is(err, fs.ErrNotExist):
		return fs.ErrNotExist
	case errors.Is(err, os.ErrPermission):
		return ErrDenied
	case errors.As(err, &status):
		return s.answered(status)
	case errors.Is(err, os.ErrClosed):
		return err
	}
	// No session outlives what is no answer: the next one might be another's.
	s.conn.close(err)
	return s.conn.lost(err)
}

func (s *session) answered(status *pkgsftp.StatusError) error {
	switch status.Code {
	case codeNoSuchPath:
		return fs.ErrNotExist
	case codeExists:
		return fs.ErrExist
	case codeWriteProtect:
		return ErrDenied
	case codeNoSpace, codeQuota:
		return holdfast.ErrFull
	case codeUnsupported:
		return errors.ErrUnsupported
	case codeNoConnection, codeConnectionLost:
		s.conn.close(status)
		return s.conn.lost(status)
	case codeFailure:
		return fmt.Errorf("%w: %s", errFailure, holdfast.Printable(status.Error()))
	}
	return errors.New(holdfast.Printable(status.Error()))
}

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }
