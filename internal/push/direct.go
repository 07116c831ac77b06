package push

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"sync"
	"time"

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
	// Stall is how long a call may go on, and a part be sent without a byte of it
	// being asked for, before it is told to stop; 0 leaves that to the vault, which
	// then has to see for itself that a server has gone away.
	Stall time.Duration
	// Policy says what a run keeps there of its job; nil leaves that to others. With
	// one the vault has to be a retention.Vault.
	Policy *holdfast.Policy
}

// Direct is the destination of a vault that this host holds the credentials of.
// Nobody stands between: what this host can do there, so can whoever takes it
// over.
type Direct struct {
	o     DirectOptions
	calls calls

	mu    sync.Mutex  // taken in calls alone: it may be held for as long as one hangs
	vault DirectVault // open, or nil
}

// NewDirect returns the destination of a vault.
func NewDirect(o DirectOptions) *Direct { return &Direct{o: o, calls: calls{limit: o.Stall}} }

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

// reach is opened, for others than calls.
func (d *Direct) reach(ctx context.Context) (DirectVault, error) {
	return ask(ctx, &d.calls, d.opened)
}

// Close implements Destination. A vault that hangs stays as it is.
func (d *Direct) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), lastCall)
	defer cancel()
	return d.calls.tell(ctx, func(context.Context) error { return d.close() })
}

func (d *Direct) close() error {
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
	vault, err := d.reach(ctx)
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
		key := c.ref.Key(stream.File)
		u, err := ask(ctx, &d.calls, func(ctx context.Context) (holdfast.Upload, error) { return vault.StartUpload(ctx, key) })
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
	vault, err := d.reach(ctx)
	if err != nil {
		return err
	}
	body, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return d.calls.tell(ctx, func(ctx context.Context) error {
		return vault.Put(ctx, holdfast.ReportKey(r.Host, r.Job, r.ID), append(body, '\n'))
	})
}
