package push

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

// DirectVault is what a vault must do that this host sends to by itself.
type DirectVault interface {
	holdfast.Lister
	holdfast.Putter
	holdfast.Receiver
}

// DirectOptions say what a Direct is.
type DirectOptions struct {
	Name, Kind string
	// Open opens the vault without reaching for it over a network, so that its
	// errors are ones that trying again will not change. Where what it returns has a
	// Close, that is called when the run ends.
	Open func(context.Context) (DirectVault, error)
	// Final reports whether an error of the vault is one that trying again will not
	// change, such as a wrong host key; may be nil.
	Final func(error) bool
	// Policy says what a run keeps there of its job; nil leaves that to others. With
	// one the vault has to be a retention.Vault.
	Policy *holdfast.Policy
}

// Direct is the destination of a vault that this host holds the credentials of.
// Nobody stands between: what this host can do there, so can whoever takes it
// over.
type Direct struct {
	o DirectOptions

	mu    sync.Mutex
	vault DirectVault // open, or nil
}

// NewDirect returns the destination of a vault.
func NewDirect(o DirectOptions) *Direct { return &Direct{o: o} }

// Name implements Destination.
func (d *Direct) Name() string { return d.o.Name }

// Kind implements Destination.
func (d *Direct) Kind() string { return d.o.Kind }

// opened returns the vault, which is opened once for all of a run.
func (d *Direct) opened(ctx context.Context) (DirectVault, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.vault != nil {
		return d.vault, nil
	}
	vault, err := d.o.Open(ctx)
	if err != nil {
		return nil, &finalError{err}
	}
	d.vault = vault
	return vault, nil
}

// Close implements Destination.
func (d *Direct) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	vault := d.vault
	d.vault = nil
	if c, ok := vault.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// Begin implements Destination.
func (d *Direct) Begin(ctx context.Context, s Start) (Begun, error) {
	begun, err := d.begin(ctx, s)
	return begun, d.judged(err)
}

func (d *Direct) begin(ctx context.Context, s Start) (Begun, error) {
	vault, err := d.opened(ctx)
	if err != nil {
		return Begun{}, err
	}
	limits := vault.UploadLimits()
	c := &carried{
		to: d, vault: vault, ref: holdfast.Ref{Host: s.Host, Job: s.Job, ID: s.ID},
		uploads: map[string]holdfast.Upload{}, complete: map[string]bool{},
	}
	delivery := Delivery{ID: s.ID, MaxSize: math.MaxInt64, Plans: map[string]api.StreamPlan{}, Carrier: c}
	for _, stream := range s.Streams {
		u, err := vault.StartUpload(ctx, c.ref.Key(stream.File))
		if err != nil {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastCall)
			defer cancel()
			_ = c.Abort(ctx, "") // what is left the sweep removes
			return Begun{}, err
		}
		c.uploads[stream.Name] = u
		delivery.Plans[stream.Name] = api.StreamPlan{Name: stream.Name, MaxParts: limits.MaxParts, Checksum: limits.Checksum}
	}
	return Begun{ID: s.ID, Deliveries: []Delivery{delivery}}, nil
}

// judged marks an error that trying again will not change.
func (d *Direct) judged(err error) error {
	if err != nil && d.o.Final != nil && d.o.Final(err) {
		return &finalError{err}
	}
	return err
}

// Report implements Destination. The report has the id that it comes with.
func (d *Direct) Report(ctx context.Context, r holdfast.Report) error {
	vault, err := d.opened(ctx)
	if err != nil {
		return err
	}
	body, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return vault.Put(ctx, holdfast.ReportKey(r.Host, r.Job, r.ID), append(body, '\n'))
}

// carried carries parts with this host's own credentials.
type carried struct {
	to      *Direct
	vault   DirectVault
	ref     holdfast.Ref
	uploads map[string]holdfast.Upload // by stream

	tried    bool            // to commit: what is there may be this run's own
	complete map[string]bool // streams that have become objects
}

// Part implements Carrier.
func (c *carried) Part(stream string, p holdfast.Part) func(context.Context, *Body) (string, error) {
	return func(ctx context.Context, body *Body) (string, error) {
		ctx, stop := body.Watch(ctx)
		defer stop()
		err := c.vault.SendPart(ctx, c.uploads[stream], p, body)
		if err != nil && ctx.Err() != nil {
			err = fmt.Errorf("send stream %q part %d: %w", stream, p.Number, context.Cause(ctx))
		}
		return "", c.to.judged(err)
	}
}

// Commit implements Carrier. Data first, then a look at what is stored, then the
// manifest.
func (c *carried) Commit(ctx context.Context, m holdfast.Manifest, signed []byte, _ map[string][]string) error {
	return c.to.judged(c.commit(ctx, m, signed))
}

func (c *carried) commit(ctx context.Context, m holdfast.Manifest, signed []byte) error {
	again := c.tried
	c.tried = true
	for _, s := range m.Streams {
		if c.complete[s.Name] {
			continue
		}
		err := c.vault.CompleteUpload(ctx, c.uploads[s.Name], s.Parts, s.StoredSize)
		// The first attempt may have got further than its answer.
		switch {
		case errors.Is(err, holdfast.ErrExist) && again:
		case errors.Is(err, holdfast.ErrExist):
			return &finalError{err}
		case err != nil:
			return err
		}
		c.complete[s.Name] = true
	}
	if err := c.checkSizes(ctx, m); err != nil {
		return err
	}
	return c.vault.Put(ctx, c.ref.ManifestKey(), signed)
}

// checkSizes returns an error unless the vault shows every stream whole: what it
// shows counts, not what it answered.
func (c *carried) checkSizes(ctx context.Context, m holdfast.Manifest) error {
	stored := map[string]int64{}
	for object, err := range c.vault.List(ctx, c.ref.Key("")) {
		if err != nil {
			return err
		}
		stored[object.Key] = object.Size
	}
	for _, s := range m.Streams {
		if size, ok := stored[c.ref.Key(s.File)]; !ok || size != s.StoredSize {
			return fmt.Errorf("stream %q: %w: %d bytes are stored, %d were sent", s.Name, holdfast.ErrCorrupt, size, s.StoredSize)
		}
	}
	return nil
}

// Abort implements Carrier. A stream that was completed stays, without a
// manifest, for the sweep.
func (c *carried) Abort(ctx context.Context, _ string) error {
	var errs []error
	for _, u := range c.uploads {
		errs = append(errs, c.vault.AbortUpload(ctx, u))
	}
	return errors.Join(errs...)
}
