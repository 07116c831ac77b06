package b2

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Backblaze/blazer/base"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/vault/s3"
)

// account is a bucket as one application key reaches it: it authorizes, and gives
// every call a deadline and a number of attempts.
type account struct {
	options  Options
	store    s3.Store
	claim    func(context.Context, holdfast.Upload) error
	opened   chan *session // holds one: nil before the first call, and after a token ended
	callTime time.Duration // how long one call may take to answer
	pause    time.Duration // before the second attempt; then twice as long each time
	longest  time.Duration // pause, whatever the store asks for
}

// session is what an authorization yields.
type session struct {
	api    *base.B2
	bucket *base.Bucket
	s3     *s3.Vault
}

const (
	// attempts at one call.
	attempts = 5
	// maxAnswer is the most that an answer which is no download may have, in bytes.
	maxAnswer = 32 << 20
	// storeTime is how long a call over S3, which repeats what fails by itself, may
	// take in all.
	storeTime = 5 * time.Minute
)

func newAccount(o Options, store s3.Store, claim func(context.Context, holdfast.Upload) error) *account {
	if o.Transport == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		// What is stored is to arrive as it was stored.
		transport.DisableCompression, transport.MaxIdleConnsPerHost = true, concurrency
		o.Transport = transport
	}
	a := &account{
		options: o, store: store, claim: claim, opened: make(chan *session, 1),
		callTime: 30 * time.Second, pause: 500 * time.Millisecond, longest: 10 * time.Second,
	}
	a.opened <- nil
	return a
}

// session returns the present authorization, or gets one.
func (a *account) session(ctx context.Context) (*session, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case s := <-a.opened:
		if s == nil {
			var err error
			if s, err = a.open(ctx); err != nil {
				a.opened <- nil
				return nil, err
			}
		}
		a.opened <- s
		return s, nil
	}
}

// forget ends an authorization, unless another call has done so already.
func (a *account) forget(ctx context.Context, s *session) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case present := <-a.opened:
		if present == s {
			present = nil
		}
		a.opened <- present
		return nil
	}
}

// open authorizes and finds the bucket.
func (a *account) open(ctx context.Context) (*session, error) {
	var s session
	err := a.repeat(ctx, authorizeCall, a.callTime, func(ctx context.Context) (err error) {
		s.api, err = a.authorize(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("authorize key %q: %w", a.options.KeyID, err)
	}
	if s.bucket, err = a.find(ctx, s.api); err != nil {
		return nil, err
	}
	endpoint, err := url.Parse(s.bucket.S3URL())
	if err != nil || endpoint.Host == "" {
		return nil, fmt.Errorf("authorize key %q: the account has no S3-compatible API", a.options.KeyID)
	}
	s.s3, err = s3.New(ctx, s3.Options{
		Bucket: a.options.Bucket, Prefix: a.options.Prefix, Endpoint: endpoint.String(), Region: region(endpoint.Hostname()),
		Credentials: credentials.NewStaticCredentialsProvider(a.options.KeyID, a.options.Key.Reveal(), ""),
		Store:       a.store, Claim: a.claim, Now: a.options.Now, Client: &http.Client{Transport: a.options.Transport},
	})
	return &s, err
}

// authorize is base.AuthorizeAccount, which panics at an answer that is not B2's.
func (a *account) authorize(ctx context.Context) (api *base.B2, err error) {
	defer func() {
		if recover() != nil {
			err = errForeign
		}
	}()
	options := []base.AuthOption{base.Transport(bounded{a.options.Transport}), base.UserAgent("holdfast")}
	if a.options.API != "" {
		options = append(options, base.SetAPIBase(strings.TrimRight(a.options.API, "/")))
	}
	return base.AuthorizeAccount(ctx, a.options.KeyID, a.options.Key.Reveal(), options...)
}

// find returns the bucket as it is now.
func (a *account) find(ctx context.Context, api *base.B2) (*base.Bucket, error) {
	var all []*base.Bucket
	err := a.repeat(ctx, call{"b2_list_buckets", "listBuckets"}, a.callTime, func(ctx context.Context) (err error) {
		all, err = api.ListBuckets(ctx, a.options.Bucket)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find bucket %q: %w", a.options.Bucket, err)
	}
	for _, bucket := range all {
		if bucket.Name == a.options.Bucket {
			return bucket, nil
		}
	}
	return nil, fmt.Errorf("find bucket %q: %w, or key %q is for another", a.options.Bucket, holdfast.ErrNotExist, a.options.KeyID)
}

// region returns the region of B2's S3-compatible API at this host, such as
// s3.us-west-004.backblazeb2.com. "" leaves it to the SDK: AWS_REGION, or us-east-1.
func region(host string) string {
	if labels := strings.Split(host, "."); len(labels) > 2 && labels[0] == "s3" {
		return labels[1]
	}
	return ""
}

// call is a call of B2's own API and the capability that it needs.
type call struct{ name, capability string }

var authorizeCall = call{"b2_authorize_account", ""}

// do makes a call until it succeeds, is refused for good, or has failed a number of
// times; with a new authorization where the token has ended.
func (a *account) do(ctx context.Context, c call, f func(ctx context.Context, s *session) error) error {
	return a.doFor(ctx, c, a.callTime, f)
}

// doFor is do with another deadline for each attempt; 0 leaves it to f.
func (a *account) doFor(ctx context.Context, c call, limit time.Duration, f func(ctx context.Context, s *session) error) error {
	for renewed := false; ; renewed = true {
		s, err := a.session(ctx)
		if err != nil {
			return err
		}
		err = a.repeat(ctx, c, limit, func(ctx context.Context) error { return f(ctx, s) })
		if !errors.Is(err, errToken) || renewed {
			return err
		}
		if err := a.forget(ctx, s); err != nil {
			return err
		}
	}
}

// repeat makes attempts at f while what goes wrong may pass, each with a deadline.
func (a *account) repeat(ctx context.Context, c call, limit time.Duration, f func(ctx context.Context) error) error {
	for n, pause := 1, a.pause; ; n, pause = n+1, 2*pause {
		err := a.refusal(c, within(ctx, limit, f))
		var passing *passingError
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case !errors.As(err, &passing):
			return err
		case n == attempts:
			return fmt.Errorf("%w (tried %d times)", err, n)
		}
		wait := time.NewTimer(min(max(pause, passing.after), a.longest))
		select {
		case <-ctx.Done():
			wait.Stop()
			return ctx.Err()
		case <-wait.C:
		}
	}
}

// within gives f a deadline.
func within(ctx context.Context, limit time.Duration, f func(ctx context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if limit <= 0 {
		return f(ctx)
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := f(limited)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return &passingError{text: fmt.Sprintf("no answer within %s", limit)}
	}
	return err
}

// bounded is a transport whose answers end, but for downloads.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.RoundTripper.RoundTrip(r)
	if err == nil && !strings.HasPrefix(r.URL.Path, "/file/") {
		answer.Body = limitedBody{io.LimitReader(answer.Body, maxAnswer), answer.Body}
	}
	return answer, err
}

type limitedBody struct {
	io.Reader
	io.Closer
}
