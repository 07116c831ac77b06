package fault

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"time"
)

// maxAnswer is how much of an answer is read, in bytes.
const maxAnswer = 64 << 10

// Answer is what a service answered last.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte // its beginning
}

// Client returns a copy of client (http.DefaultClient if nil) that follows no
// redirects, which would carry secrets to somewhere else, reads answers only as
// far as is needed to know what they say, and keeps the last one in answer. For
// one call at a time.
func Client(client *http.Client, answer *Answer) *http.Client {
	if client == nil {
		client = http.DefaultClient
	}
	own := *client
	if own.Transport == nil {
		own.Transport = http.DefaultTransport
	}
	own.Transport = recorder{own.Transport, answer}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

type recorder struct {
	http.RoundTripper
	answer *Answer
}

// RoundTrip implements http.RoundTripper.
func (r recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	*r.answer = Answer{}
	resp, err := r.RoundTripper.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	_ = resp.Body.Close()
	if err != nil {
		return nil, err
	}
	*r.answer = Answer{resp.StatusCode, resp.Header, body}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// Bounds of what a service may ask for with Retry-After: what is out of them was
// not meant, or is a mistake.
const (
	minAgain     = time.Second
	maxAgain     = time.Hour
	defaultAgain = time.Minute
)

// RetryAfter returns when a service wants to be asked again, by its header
// Retry-After (RFC 9110, 10.2.3): a number of seconds or a date. Without, ok is
// false and the answer a minute.
func RetryAfter(header http.Header, now time.Time) (after time.Duration, ok bool) {
	text := header.Get("Retry-After")
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		return min(max(time.Duration(seconds)*time.Second, minAgain), maxAgain), true
	}
	if date, err := http.ParseTime(text); err == nil {
		return min(max(date.Sub(now), minAgain), maxAgain), true
	}
	return defaultAgain, false
}
