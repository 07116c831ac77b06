package broker

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/holdfast-backup/holdfast"
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
}

// call returns the handler of a call that bears a request token. do returns
// what to answer as JSON, nil for no content.
func (b *Broker) call(maxBody int64, limit time.Duration, do func(context.Context, *call) (any, error)) http.Handler {
	return b.open(func(w http.ResponseWriter, r *http.Request) error {
		c, err := b.authenticate(w, r, maxBody)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(r.Context(), limit)
		defer cancel()
		answer, err := do(ctx, c)
		if err != nil {
			return err
		}
		if answer == nil {
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
		return writeJSON(w, http.StatusOK, answer)
	})
}

// open returns a handler that needs no token. An error that do returns is
// answered as a problem and logged; do must not have answered then.
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
			err = do(w, r)
		}
		if err != nil {
			b.refuse(w, r, id, err)
		}
	})
}

// authenticate proves the token before it reads the body, and the body before
// anything in it is believed.
func (b *Broker) authenticate(w http.ResponseWriter, r *http.Request, maxBody int64) (*call, error) {
	var authorization string
	if all := r.Header.Values("Authorization"); len(all) == 1 {
		authorization = all[0]
	}
	proven, err := b.verifier.Verify(authorization, r.Method, pathAndQuery(r))
	if err != nil {
		return nil, err
	}
	// Not every server lets a deadline be set; those that don't have their own.
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyTime))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
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

// pathAndQuery returns what the htu claim must be. It is taken from the URL as
// it reached this handler, so that a prefix that a proxy or http.StripPrefix
// removed does not count.
func pathAndQuery(r *http.Request) string {
	if r.URL.RawQuery == "" {
		return r.URL.EscapedPath()
	}
	return r.URL.EscapedPath() + "?" + r.URL.RawQuery
}

// decode reads the body into request. What is not understood is refused.
func (c *call) decode(request any) error {
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
	p.RequestID = id
	level := slog.LevelWarn
	if p.Status >= 500 {
		level = slog.LevelError
	}
	b.log.Log(r.Context(), level, "refused", "call", r.Pattern, "status", p.Status, "request", id, "err", err)
	writeProblem(w, p)
}

func writeJSON(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// The client is gone if this fails; it will ask again.
	_, _ = w.Write(append(body, '\n'))
	return nil
}
