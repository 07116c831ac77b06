package b2

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/Backblaze/blazer/base"

	"github.com/holdfast-backup/holdfast"
)

// errToken is wrapped by what a renewed authorization may mend.
var errToken = errors.New("the account token has ended")

// passingError is what another attempt may mend: the store is busy or out of reach.
type passingError struct {
	text  string
	after time.Duration // how long the store asks to wait
}

func (e *passingError) Error() string { return e.text }

// answerError is a refusal of B2's. https://www.backblaze.com/docs/cloud-storage-native-api-error-handling-and-status-codes
// has the codes.
type answerError struct {
	status  int
	code    string
	message string
	err     error // one of Holdfast's own, or nil
}

func (e *answerError) Error() string {
	text := e.code
	if e.message != "" && e.message != e.code {
		text += ": " + e.message
	}
	text = fmt.Sprintf("%s (status %d)", text, e.status)
	if e.err != nil {
		return e.err.Error() + ": " + text
	}
	return text
}

func (e *answerError) Unwrap() error { return e.err }

// isStatus reports whether B2 refused with that status.
func isStatus(err error, status int) bool {
	var answer *answerError
	return errors.As(err, &answer) && answer.status == status
}

// refused reports whether B2 refused for good: not because it was busy.
func refused(err error) bool {
	var answer *answerError
	return errors.As(err, &answer)
}

// maxMessage is how much of a message of the store's is kept, in bytes.
const maxMessage = 300

// refusal makes of an error of blazer's what the rest of the package tells apart.
func (a *account) refusal(c call, err error) error {
	status, code, message := base.MsgCode(err)
	message = said(message)
	var known *passingError
	switch {
	case err == nil, errors.As(err, &known), errors.Is(err, errForeign):
		return err
	case status == 0: // no answer, or one that broke off
		return &passingError{text: said(err.Error())}
	case strings.HasSuffix(code, "cap_exceeded"):
		return &answerError{status, said(code), "the account has reached a cap that is set for it: " + message, holdfast.ErrFull}
	case status == http.StatusUnauthorized && c == authorizeCall:
		return &answerError{status, said(code), message, errors.New("no such application key, or not this secret")}
	case status == http.StatusUnauthorized && (code == "expired_auth_token" || code == "bad_auth_token"):
		if base.Action(err) == base.AttemptNewUpload {
			return &passingError{text: fmt.Sprintf("%s (status %d)", said(code), status)} // an upload's own token: each attempt has a new one
		}
		return fmt.Errorf("%w: %s", errToken, said(code))
	case status == http.StatusUnauthorized && code == "unauthorized":
		return &answerError{status, said(code), fmt.Sprintf("%s needs the capability %s, which key %q lacks, or has not for this bucket and prefix", c.name, c.capability, a.options.KeyID), nil}
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests, status >= 500,
		status == http.StatusBadRequest && base.Action(err) == base.AttemptNewUpload:
		return &passingError{text: fmt.Sprintf("%s: %s (status %d)", said(code), message, status), after: base.Backoff(err)}
	}
	return &answerError{status, said(code), message, nil}
}

// errForeign is what a server says that speaks another language.
var errForeign = errors.New("what answers is not B2")

// said returns a text of the store's, bounded and printable.
func said(text string) string {
	if len(text) > maxMessage {
		text = text[:maxMessage] + "…"
	}
	return holdfast.Printable(text)
}
