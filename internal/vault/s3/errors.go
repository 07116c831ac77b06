package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/holdfast-backup/holdfast"
)

// code returns the name that the store gives to an error, "" if it is none of
// the store's.
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// status returns the HTTP status of the store's answer, 0 if there was none.
func status(err error) int {
	var answer *awshttp.ResponseError
	if errors.As(err, &answer) {
		return answer.HTTPStatusCode()
	}
	return 0
}

func isCode(err error, codes ...string) bool { return slices.Contains(codes, code(err)) }

// taken reports whether a write failed because its condition did not hold.
func taken(err error) bool {
	return status(err) == http.StatusPreconditionFailed || isCode(err, "PreconditionFailed")
}

// absent reports whether there is no such object.
func absent(err error) bool { return isCode(err, "NoSuchKey", "NotFound", "NoSuchVersion") }

// denied reports whether the store refused for want of permission.
func denied(err error) bool {
	return status(err) == http.StatusForbidden || isCode(err, "AccessDenied", "AllAccessDisabled")
}

// missing reports whether the store does not have the call at all.
func missing(err error) bool {
	return isCode(err, "NotImplemented", "MethodNotAllowed", "UnsupportedOperation") ||
		status(err) == http.StatusNotImplemented || status(err) == http.StatusMethodNotAllowed
}

// full are the names that stores have for having no room: S3's own quota (Ceph,
// versitygw), MinIO, B2.
var full = []string{
	"QuotaExceeded", "InsufficientStorage", "InsufficientCapacity",
	"XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "StorageCapExceeded",
}

// cause returns what is wrong in the words of the store, with the request's id
// that its support asks for, instead of those of the SDK.
func cause(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if status(err) == http.StatusInsufficientStorage || isCode(err, full...) {
		return fmt.Errorf("%w: %v", holdfast.ErrFull, answer{err})
	}
	if code(err) != "" {
		return answer{err}
	}
	return err
}

// answer is an error that the store answered.
type answer struct{ err error }

func (a answer) Unwrap() error { return a.err }

func (a answer) Error() string {
	var api smithy.APIError
	if !errors.As(a.err, &api) {
		return a.err.Error()
	}
	text := api.ErrorCode()
	if message := api.ErrorMessage(); message != "" && message != text {
		text += ": " + message
	}
	var response *awshttp.ResponseError
	if errors.As(a.err, &response) {
		text += fmt.Sprintf(" (status %d, request %s)", response.HTTPStatusCode(), response.ServiceRequestID())
	}
	return text
}
