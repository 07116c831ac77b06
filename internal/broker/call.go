package broker

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
	"github.com/holdfast-backup/holdfast/internal/token"
)

// How long a call may take once its body is there. Completing an upload of
// thousands of parts takes a store minutes.
const (
	shortCall = 30 * time.Second
	longCall  = 5 * time.Minute
	// bodyTime is how long a body may take to arrive.
	bodyTime = 2 * time.Minute
)

// call is one call whose token is proven, with its whole body.
type call struct {
	principal holdfast.Principal
	request   *http.Request
	body      []byte
	id        string    // of the request
	now       time.Time // by the broker's clock, the same throughout the call
	*place
}

// call returns the handler of a call that bears a request token. do returns
// what to answer as JSON, nil for no content. The token is proven before the
// caller is let in, and the body is read after that.
func (b *Broker) call(l limits, do func(context.Context, *call) (any, error)) http.Handler {
	return b.open(func(w http.ResponseWriter, r *http.Request) error {
		proven, err := b.authenticate(r)
		if err != nil {
			return err
		}
		leave, err := b.gate.enter(r.Context(), proven.Principal.Name, l)
		if err != nil {
			return err
		}
		in := &place{&b.gate, proven.Principal.Name, leave}
		defer func() { in.leave() }()
		c, err := b.receive(w, r, proven, l.body)
		if err != nil {
			return err
		}
		c.place = in
		ctx, cancel := context.WithTimeout(r.Context(), l.time)
		defer cancel()
		answer, err := do(ctx, c)
		if err != nil {
			return err
		}
		if answer == nil {
			writeEmpty(w, http.StatusNoContent)
			return nil
		}
		return writeJSON(w, http.StatusOK, answer)
	})
}

// open returns a handler that needs no token. An error that do returns is
// answered as a problem and logged, and so is a panic; do must not have answered
// then.
func (b *Broker) open(do func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var random [8]byte
		_, err := io.ReadFull(&b.rand, random[:])
		id := hex.EncodeToString(random[:])
		header := w.Header()
		header.Set("X-Request-Id", id)
		header.Set("Cache-Control", "no-store")
		header.Set("X-Content-Type-Options", "nosniff")
		if err == nil {
			err = b.guarded(func() error { return do(w, r) }, id)
		}
		if err != nil {
			b.refuse(w, r, id, err)
		}
	})
}

// guarded is do, with a panic logged and turned into an error: one bad call must
// not go unseen, and the caller is to learn whom to ask.
func (b *Broker) guarded(do func() error, id string) (err error) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			panic(p)
		default:
			b.log.Error("panic", "request", id, "err", said(fmt.Sprint(p)), "stack", string(debug.Stack()))
			err = panicked(p)
		}
	}()
	return do()
}

// authenticate proves the request token. It reads no body.
func (b *Broker) authenticate(r *http.Request) (*token.Request, error) {
	var authorization string
	if all := r.Header.Values("Authorization"); len(all) == 1 {
		authorization = all[0]
	}
	return b.verifier.Verify(authorization, r.Method, pathAndQuery(r))
}

// receive reads the body and proves it before anything in it is believed.
func (b *Broker) receive(w http.ResponseWriter, r *http.Request, proven *token.Request, maxBody int64) (*call, error) {
	// Not every server lets a deadline be set; those that don't have their own.
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyTime))
	body, err := readBody(w, r, maxBody)
	_ = control.SetReadDeadline(time.Time{})
	if err != nil {
		return nil, unreadable(err)
	}
	if err := proven.CheckBody(body); err != nil {
		return nil, err
	}
	return &call{
		principal: proven.Principal, request: r, body: body,
		id: w.Header().Get("X-Request-Id"), now: b.now(),
	}, nil
}

// readBody returns the body of r. One whose length is said takes exactly that
// much memory, and none if it is too long.
func readBody(w http.ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	if r.ContentLength > most {
		return nil, &http.MaxBytesError{Limit: most}
	}
	limited := http.MaxBytesReader(w, r.Body, most)
	if r.ContentLength < 0 {
		return io.ReadAll(limited)
	}
	body := make([]byte, r.ContentLength)
	_, err := io.ReadFull(limited, body)
	return body, err
}

// pathAndQuery returns what the htu claim must be. It is taken from the URL as
// it reached this handler, so that a prefix that a proxy or http.StripPrefix
// removed does not count.
func pathAndQuery(r *http.Request) string {
	if r.URL.RawQuery == "" {
		return r.URL.EscapedPath()
	}
	return r.URL.EscapedPath() + "?" + r.URL.RawQuery
}

// maxValues is how many values a body with a list may have: more than
// MaxPartsPerCall parts, or MaxStreams streams, have use for. An empty one of
// three bytes would become many times that in memory.
const maxValues = 1000

// decode reads the body into request. What is not understood is refused.
func (c *call) decode(request any) error {
	switch request.(type) {
	case *api.StartRequest, *api.PartsRequest: // those with a list
		if bytes.Count(c.body, []byte{','}) >= maxValues {
			return invalid(fmt.Errorf("body: more than %d values", maxValues))
		}
	}
	dec := json.NewDecoder(bytes.NewReader(c.body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(request); err != nil {
		return invalid(fmt.Errorf("body: %v", err))
	}
	if _, err := dec.Token(); err != io.EOF {
		return invalid(fmt.Errorf("body: something follows it"))
	}
	return nil
}

// audit writes the one line for a signature that was given, never what was signed.
func (b *Broker) audit(c *call, what string, ref holdfast.Ref, more ...any) {
	b.log.Info("signed", append([]any{
		"what", what, "host", ref.Host, "job", ref.Job, "id", ref.ID,
		"by", c.principal.Name, "request", c.id,
	}, more...)...)
}

// refuse answers err as a problem and logs it. The path is left out of the log,
// because a ticket is part of one.
func (b *Broker) refuse(w http.ResponseWriter, r *http.Request, id string, err error) {
	p := problem(err, b.now())
	p.RequestID, p.Detail = id, said(p.Detail)
	var after time.Duration
	if r, ok := errors.AsType[*refusal](err); ok {
		after = r.after
	}
	level := slog.LevelWarn
	if p.Status >= 500 {
		level = slog.LevelError
	}
	b.log.Log(r.Context(), level, "refused", "call", r.Pattern, "status", p.Status, "request", id, "err", said(err.Error()))
	writeProblem(w, p, after)
}
