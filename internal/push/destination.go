package push

import (
	"context"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

// Destination is a place that backups are sent to, as pusher.yaml names it: a
// broker, which signs for one vault or several, or a vault that this host
// reaches by itself. Its calls are single attempts: the run repeats them as
// Retry says. They observe ctx. Begin and Report may be called at once.
type Destination interface {
	// Name is unique among the destinations of a host.
	Name() string
	// Kind is one of the kinds below.
	Kind() string
	// Begin begins a backup. After an error nothing of it is left to be aborted
	// that the vault's own sweep would not remove.
	Begin(ctx context.Context, s Start) (Begun, error)
	// Report stores the report of a run that went wrong.
	Report(ctx context.Context, r holdfast.Report) error
	// Close lets go of what the calls before it have opened, and is called once
	// they have returned. A later call opens it anew.
	Close() error
}

// Kinds of destinations.
const (
	KindBroker = "broker" // names the backups that it admits
	KindSFTP   = "sftp"   // takes the run's name for them, as all others do
	KindDisk   = "disk"
)

// Start is what is to begin.
type Start struct {
	Host, Job string
	Pusher    string // its version
	Streams   []api.StartStream
	ID        holdfast.ID // of the backup; a broker gives its own
}

// Begun is what has begun.
type Begun struct {
	ID          holdfast.ID
	Now         time.Time         // by the broker's clock; zero where nobody told it
	Deliveries  []Delivery        // at most one for each vault
	Unavailable []api.Unavailable // vaults that take no backup now
	Direct      []string          // vaults of the job that a broker cannot sign for
}

// Delivery is a backup under way to one vault. It ends with a Commit that
// returned nil, or with Abort.
type Delivery struct {
	Vault   string // its name at a broker; "" where the destination is the vault
	ID      holdfast.ID
	MaxSize int64                     // bytes, of all streams together
	Plans   map[string]api.StreamPlan // how each stream must be sent, by its name
	Carrier
}

// Carrier brings what belongs to a Delivery to its vault. Each call is one
// attempt. Parts may be sent at once; Commit and Abort come when none is.
type Carrier interface {
	// Part returns the function that tries to send part p of the stream and
	// answers the store's ETag, if the store has one. It is called again after
	// an error that may pass, and may then make use of what it has, such as a
	// signature that is still good. body holds p.Size bytes; once the function
	// has returned, to read it is an error.
	Part(stream string, p holdfast.Part) func(ctx context.Context, body *Body) (etag string, err error)
	// Commit makes the backup exist: signed is m with the host's signature, and
	// is written last. It may be repeated.
	Commit(ctx context.Context, m holdfast.Manifest, signed []byte, etags map[string][]string) error
	// Abort discards what was sent.
	Abort(ctx context.Context, reason string) error
}
