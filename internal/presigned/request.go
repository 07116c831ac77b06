// Package presigned sends the requests that a vault or the broker has signed. Their
// URLs are as good as keys until they expire, so no error of it holds one. It signs
// nothing and repeats nothing.
package presigned

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/secret"
)

// NewRequest returns the signed request with a body of size bytes, or with a nil body
// and none.
func NewRequest(ctx context.Context, signed holdfast.Request, body io.Reader, size int64) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, signed.Method, signed.URL, body)
	if err != nil {
		return nil, errors.New("the signed request is malformed")
	}
	for name, value := range signed.Header {
		switch {
		case strings.EqualFold(name, "Host"):
			req.Host = value
		case !strings.EqualFold(name, "Content-Length"):
			req.Header.Set(name, value)
		}
	}
	req.ContentLength = size
	return req, nil
}

// Do is client.Do with errors that do not hold the request's URL.
func Do(client *http.Client, req *http.Request) (*http.Response, error) {
	resp, err := client.Do(req)
	if err != nil {
		return nil, secret.WithoutURL(err)
	}
	return resp, nil
}

// NewUploadClient returns a client fit for sending parts over that many connections:
// large writes, the proxy of the environment, and no limit on the time a request
// takes, which is for the context to say. It follows no redirect: a signature is for
// one host, and what sends a part elsewhere is an error.
func NewUploadClient(connections int) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = connections
	t.WriteBufferSize = 128 << 10
	return &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
