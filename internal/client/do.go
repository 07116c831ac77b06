package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/holdfast-backup/holdfast/internal/api"
)

const (
	maxAttempts  = 6
	firstPause   = 500 * time.Millisecond
	maxPause     = 30 * time.Second
	shortAttempt = time.Minute
	longAttempt  = 10 * time.Minute // a manifest on a slow line, a store that puts parts together
	maxAnswer    = 4 << 20          // bytes
	maxList      = 256 << 20        // bytes; about 300,000 backups
)

// call is one call of the broker.
type call struct {
	method  string
	path    string // with the query, relative to the base URL
	body    any    // nil: no body
	answer  any    // nil: none expected
	open    bool   // needs no token, and answers in its own form also with a 503
	limit   int64  // on the answer, bytes; 0: maxAnswer
	timeout time.Duration
	timed   func(sent, received time.Time) // of the attempt that succeeded; may be nil
}

// retryable is a failure that another attempt may mend.
type retryable struct {
	err   error
	after time.Duration // that the broker asked to wait; 0 if it did not
}

func (r *retryable) Error() string { return r.err.Error() }
func (r *retryable) Unwrap() error { return r.err }

// do sends the call until it is answered, fails for good, ctx ends or the
// attempts are used up.
func (c *Client) do(ctx context.Context, k call) error {
	var body []byte
	if k.body != nil {
		var err error
		if body, err = json.Marshal(k.body); err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
	}
	for attempt, pause := 1, firstPause; ; attempt, pause = attempt+1, min(2*pause, maxPause) {
		err := c.attempt(ctx, k, body)
		again, ok := errors.AsType[*retryable](err)
		if !ok {
			return err
		}
		if attempt == maxAttempts || ctx.Err() != nil {
			return again.err
		}
		// Half of it at random, so that hosts that failed together do not
		// come back together.
		d := pause/2 + time.Duration(c.jitter()*float64(pause/2))
		if c.wait(ctx, max(d, min(again.after, maxPause))) != nil {
			return again.err
		}
	}
}

// attempt sends the call once, with a token of its own.
func (c *Client) attempt(ctx context.Context, k call, body []byte) error {
	if k.timeout == 0 {
		k.timeout = shortAttempt
	}
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	req, err := c.request(ctx, k, body)
	if err != nil {
		return err
	}
	sent := c.now()
	resp, err := c.http.Do(req)
	if err != nil {
		err = fmt.Errorf("reach broker: %w", err)
		if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
			return err // it will not be another's certificate next time
		}
		return &retryable{err: err}
	}
	defer resp.Body.Close()
	received := c.now()
	limit := k.limit
	if limit == 0 {
		limit = maxAnswer
	}
	answer, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return &retryable{err: fmt.Errorf("read broker's answer: %w", err)}
	}
	if int64(len(answer)) > limit {
		return fmt.Errorf("broker answered more than %d bytes", limit)
	}
	sick := k.open && resp.StatusCode == http.StatusServiceUnavailable && mediaType(resp) == "application/json"
	if resp.StatusCode/100 != 2 && !sick {
		return c.failed(resp, answer, received)
	}
	if k.answer != nil {
		if err := json.Unmarshal(answer, k.answer); err != nil {
			return fmt.Errorf("broker's answer is not what was asked for; is %s a broker? %v", c.base, err)
		}
	}
	if k.timed != nil {
		k.timed(sent, received)
	}
	return nil
}

func (c *Client) request(ctx context.Context, k call, body []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, k.method, c.base+k.path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	if c.userAgent != "" {
		req.Header.Set("User-Agent", c.userAgent)
	}
	if k.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if k.open {
		return req, nil
	}
	if c.signer == nil {
		return nil, errNoSigner
	}
	signed, err := c.signer.Sign(k.method, k.path, body, c.now())
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+signed)
	// Without it the transport may send the same token again by itself.
	req.GetBody = nil
	return req, nil
}

// failed returns what an answer that is no success means.
func (c *Client) failed(resp *http.Response, answer []byte, received time.Time) error {
	err := fmt.Errorf("broker answered %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	var p api.Problem
	if mediaType(resp) == api.ProblemType && json.Unmarshal(answer, &p) == nil && p.Title != "" {
		p.Status = resp.StatusCode
		err = &p
		if p.Hint != "" {
			err = refusal{&p}
		}
	}
	if resp.StatusCode == http.StatusRequestEntityTooLarge && p.Title == "" { // not the broker's own words
		err = tooLarge{err}
	}
	if resp.StatusCode == http.StatusUnauthorized {
		return clockError(err, resp, received)
	}
	// A quota and a full vault are as they are in half a minute, too.
	again := resp.StatusCode/100 == 5 || resp.StatusCode == http.StatusTooManyRequests
	if again && p.Type != api.ProblemQuota && p.Type != api.ProblemFull {
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
		return &retryable{err: err, after: time.Duration(seconds) * time.Second}
	}
	return err
}

// tooLarge is the answer of something before the broker that takes no call as
// large as this one.
type tooLarge struct{ error }

// Unwrap returns the error.
func (t tooLarge) Unwrap() error { return t.error }

// Hint returns what to do about it.
func (tooLarge) Hint() string {
	return "what stands before the broker takes no call as large as this: AWS takes 6 MB, the commit of about 23,000 parts; make several jobs of this one"
}

// refusal is a problem whose advice the commands print.
type refusal struct{ *api.Problem }

// Unwrap returns the *api.Problem.
func (r refusal) Unwrap() error { return r.Problem }

// Hint returns what to do about it.
func (r refusal) Hint() string { return r.Problem.Hint }

func mediaType(resp *http.Response) string {
	t, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return t
}
