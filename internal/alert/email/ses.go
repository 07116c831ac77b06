package email

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert/fault"
)

// ses is the transport to Amazon SES. It takes a mail for all recipients or none.
type ses struct {
	// give is the one method that is called, and not the client: where a
	// program has html/template, the linker keeps all exported methods of
	// types that an interface leads to, here 2 MB of them.
	give   func(context.Context, *sesv2.SendEmailInput, ...func(*sesv2.Options)) (*sesv2.SendEmailOutput, error)
	region string
	now    func() time.Time
}

func newSES(opts SESOptions, now func() time.Time) (*ses, error) {
	config := opts.Config.Copy()
	if opts.Region != "" {
		config.Region = opts.Region
	}
	if config.Region == "" {
		return nil, errors.New("mail through SES: no region given")
	}
	client := sesv2.NewFromConfig(config, func(o *sesv2.Options) { o.Retryer = retryer() })
	return &ses{client.SendEmail, config.Region, now}, nil
}

// retryer tries again at once what was lost on the way or failed over there. What
// was too much is for a later run.
func retryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.Retryables = []retry.IsErrorRetryable{
			retry.NoRetryCanceledError{}, retry.RetryableConnectionError{},
			retry.RetryableHTTPStatusCode{Codes: map[int]struct{}{500: {}, 502: {}, 503: {}, 504: {}}},
		}
	})
}

func (s *ses) send(ctx context.Context, from string, to []string, write func([]refusal) ([]byte, error)) (string, []refusal, error) {
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	mail, err := write(nil)
	if err != nil {
		return "", nil, err
	}
	out, err := s.give(ctx, &sesv2.SendEmailInput{
		FromEmailAddress: &from,
		Destination:      &types.Destination{ToAddresses: to},
		Content:          &types.EmailContent{Raw: &types.RawMessage{Data: mail}},
	})
	if err != nil {
		return "", nil, s.explain(ctx, err)
	}
	return s.messageID(aws.ToString(out.MessageId)), nil, nil
}

// sesID is what ids of SES look like.
var sesID = regexp.MustCompile(`^[A-Za-z0-9-]{1,100}$`)

// messageID returns the Message-ID that SES gives the mail with an id of its own,
// "" where that is none. See the package comment for how sure that is.
func (s *ses) messageID(id string) string {
	if !sesID.MatchString(id) {
		return ""
	}
	domain := s.region
	if domain == "us-east-1" {
		domain = "email"
	}
	return "<" + id + "@" + domain + ".amazonses.com>"
}

// explain returns an error of one line that says what is wrong.
func (s *ses) explain(ctx context.Context, err error) error {
	where := "send mail through SES in " + s.region
	var answer smithy.APIError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s: no answer: %w", where, ctx.Err())
	case !errors.As(err, &answer):
		return fmt.Errorf("%s: %s", where, fault.Line(err.Error()))
	}
	explained := fmt.Errorf("%s: %s: %s", where, reason(answer), fault.Line(answer.ErrorMessage()))
	header, status := http.Header{}, 0
	if response := new(smithyhttp.ResponseError); errors.As(err, &response) && response.Response != nil {
		header, status = response.Response.Header, response.Response.StatusCode
	}
	if _, throttles := retry.DefaultThrottleErrorCodes[answer.ErrorCode()]; throttles || status == http.StatusTooManyRequests {
		after, _ := fault.RetryAfter(header, s.now())
		return &holdfast.RetryAfterError{After: after, Err: explained}
	}
	return explained
}

// reason says what an answer of AWS means.
func reason(answer smithy.APIError) string {
	switch code := answer.ErrorCode(); code {
	case (*types.MessageRejected)(nil).ErrorCode():
		return "rejected (From, and in SES's sandbox each recipient, must be verified)"
	case (*types.MailFromDomainNotVerifiedException)(nil).ErrorCode():
		return "the MAIL FROM domain is not verified"
	case (*types.SendingPausedException)(nil).ErrorCode():
		return "sending is paused"
	case (*types.AccountSuspendedException)(nil).ErrorCode():
		return "the account may send no more"
	default:
		return fault.Line(code)
	}
}
