package rehearsal

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// maxRequest is how large the body of a request can be, in bytes.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
const maxRequest = 10 << 20

// API is an HTTP API as deployed.
type API struct {
	ID, Account, Stage string
	Host               string // under which hosts reach it
	Routes             []Route
}

// Gateway is an HTTP API in front of functions.
type Gateway struct {
	API       func() API // as it is deployed at the time of the request
	Functions func(name string) *Function
	Log       *Log // of what failed behind it
}

// ServeHTTP answers one request through the function behind its route.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	api := g.API()
	m, ok := find(api.Routes, r.Method, r.URL.Path)
	if !ok {
		refuse(w, http.StatusNotFound, "Not Found")
		return
	}
	body, err := readBody(r.Body, maxRequest)
	if errors.Is(err, errTooLarge) {
		refuse(w, http.StatusRequestEntityTooLarge, "Request Entity Too Large")
		return
	}
	if err != nil {
		return // the client has gone
	}
	payload, err := newEvent(r, body, m, api, time.Now())
	if err != nil {
		g.fail(w, err)
		return
	}
	result, err := g.invoke(r.Context(), m.route, payload)
	switch {
	case errors.Is(err, errTooLarge):
		refuse(w, http.StatusRequestEntityTooLarge, "Request Entity Too Large")
	case errors.Is(err, errThrottled), errors.Is(err, context.DeadlineExceeded):
		g.Log.Write([]byte(err.Error() + "\n"))
		refuse(w, http.StatusServiceUnavailable, "Service Unavailable")
	case err != nil:
		g.fail(w, err)
	default:
		if err := writeAnswer(w, result); err != nil {
			g.fail(w, err)
		}
	}
}

// invoke waits for the function as long as the integration does. The function
// itself goes on, as on AWS, when nobody waits for it any more.
func (g *Gateway) invoke(ctx context.Context, r Route, payload []byte) ([]byte, error) {
	type outcome struct {
		answer []byte
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		answer, err := g.Functions(r.Function).Invoke(context.WithoutCancel(ctx), payload)
		done <- outcome{answer, err}
	}()
	ctx, cancel := context.WithTimeout(ctx, time.Duration(r.Timeout)*time.Millisecond)
	defer cancel()
	select {
	case o := <-done:
		return o.answer, o.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (g *Gateway) fail(w http.ResponseWriter, err error) {
	g.Log.Write([]byte(err.Error() + "\n"))
	refuse(w, http.StatusInternalServerError, "Internal Server Error")
}

// refuse answers as the gateway does by itself.
func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(`{"message":"` + message + `"}`))
}
