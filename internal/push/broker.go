package push

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

// broker is the part of the broker's client that a run needs. Every call may be
// repeated. A refusal has an *api.Problem in its chain; any other error is taken
// for an outage.
type broker interface {
	Start(context.Context, api.StartRequest) (api.StartResponse, error)
	SignParts(context.Context, holdfast.ID, api.PartsRequest) (api.PartsResponse, error)
	Commit(context.Context, holdfast.ID, api.CommitRequest) (api.CommitResponse, error)
	Abort(context.Context, holdfast.ID, api.AbortRequest) error
	Report(context.Context, holdfast.Report) (api.ReportResponse, error)
}

// Broker is the destination of a broker and of the vaults that it signs for.
type Broker struct {
	name   string
	client broker
	http   *http.Client // to the store
	now    func() time.Time
}

// NewBroker returns the destination of that name. http sends the parts, and must
// not follow redirects: see NewHTTPClient. now is the clock that signatures
// expire by; nil is time.Now.
func NewBroker(name string, client broker, http *http.Client, now func() time.Time) *Broker {
	if now == nil {
		now = time.Now
	}
	return &Broker{name, client, http, now}
}

// Name implements Destination.
func (b *Broker) Name() string { return b.name }

// Kind implements Destination.
func (b *Broker) Kind() string { return KindBroker }

// Begin implements Destination.
func (b *Broker) Begin(ctx context.Context, s Start) (Begun, error) {
	resp, err := b.client.Start(ctx, api.StartRequest{Job: s.Job, Streams: s.Streams, Pusher: s.Pusher})
	if err != nil {
		return Begun{}, err
	}
	// It becomes the name of a directory in the spool.
	id, err := holdfast.ParseID(string(resp.ID))
	if err != nil {
		return Begun{}, err
	}
	begun := Begun{ID: id, Now: resp.Now, Unavailable: resp.Unavailable, Direct: resp.Direct}
	for _, v := range resp.Vaults {
		d := Delivery{Vault: v.Vault, ID: id, MaxSize: v.MaxSize, Plans: map[string]api.StreamPlan{}}
		for _, p := range v.Uploads {
			d.Plans[p.Name] = p
		}
		d.Carrier = &signed{Broker: b, id: id, token: v.UploadToken}
		begun.Deliveries = append(begun.Deliveries, d)
	}
	return begun, nil
}

// Report implements Destination. The broker gives the report its id.
func (b *Broker) Report(ctx context.Context, r holdfast.Report) error {
	_, err := b.client.Report(ctx, r)
	return err
}

// Close implements Destination.
func (b *Broker) Close() error {
	b.http.CloseIdleConnections()
	return nil
}

// signed carries parts with requests that the broker signs for them.
type signed struct {
	*Broker
	id    holdfast.ID
	token string
}

// expiryMargin is how long before its end a signature is not used again.
const expiryMargin = 30 * time.Second

// Part implements Carrier. A signature is used again until it expires or the
// store refuses it.
func (s *signed) Part(stream string, p holdfast.Part) func(context.Context, *Body) (string, error) {
	var request *holdfast.Request
	return func(ctx context.Context, body *Body) (etag string, err error) {
		if request == nil {
			if request, err = s.sign(ctx, stream, p); err != nil {
				return "", fmt.Errorf("sign stream %q part %d: %w", stream, p.Number, err)
			}
		}
		if etag, err = put(ctx, s.http, *request, body, p.Size); err == nil {
			return etag, nil
		}
		var store *storeError
		refused := errors.As(err, &store) && store.status == http.StatusForbidden
		if refused || s.now().Add(expiryMargin).After(request.Expires) {
			request = nil
		}
		return "", fmt.Errorf("send stream %q part %d: %w", stream, p.Number, err)
	}
}

func (s *signed) sign(ctx context.Context, stream string, p holdfast.Part) (*holdfast.Request, error) {
	resp, err := s.client.SignParts(ctx, s.id, api.PartsRequest{UploadToken: s.token, Stream: stream, Parts: []holdfast.Part{p}})
	if err != nil {
		return nil, err
	}
	if len(resp.Requests) != 1 {
		return nil, fmt.Errorf("broker signed %d requests, want 1", len(resp.Requests))
	}
	return &resp.Requests[0], nil
}

// Commit implements Carrier. An answer that got lost is asked for again: the
// same manifest commits once.
func (s *signed) Commit(ctx context.Context, m holdfast.Manifest, manifest []byte, etags map[string][]string) error {
	given := map[string][]string{}
	for stream, all := range etags {
		if slices.ContainsFunc(all, func(etag string) bool { return etag != "" }) {
			given[stream] = all
		}
	}
	resp, err := s.client.Commit(ctx, s.id, api.CommitRequest{UploadToken: s.token, Manifest: manifest, ETags: given})
	if err != nil {
		return err
	}
	if resp.Ref != m.Ref {
		return &finalError{fmt.Errorf("broker says it committed %s, not %s", resp.Ref, m.Ref)}
	}
	return nil
}

// Abort implements Carrier.
func (s *signed) Abort(ctx context.Context, reason string) error {
	return s.client.Abort(ctx, s.id, api.AbortRequest{UploadToken: s.token, Reason: reason})
}
