// Package broker is the one party that admits, names and commits backups, as
// HTTP handlers: a push half for hosts and a restore half for operators, which
// share no permission. It gives out signed requests, and no data passes through
// it but manifests and reports.
//
// It keeps no database. What it must remember of a backup that has begun
// travels in an upload token that it seals; what it must count it counts in the
// vault. It cannot read or delete what is stored: its interfaces have no method
// for that. It bounds what one caller may have under way, so that none can exhaust
// it; how often it may be called is for what stands in front.
package broker

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
	"github.com/holdfast-backup/holdfast/internal/token"
)

// Lifetimes of what the broker gives out.
const (
	// UploadLife is how long after its start a backup can be committed. The
	// sweep removes what was begun two days ago, so it has to be less.
	UploadLife = 36 * time.Hour
	// RequestLife is how long a signed part or download can be used.
	RequestLife = 15 * time.Minute
	// TicketLife is what a ticket gets that asks for nothing else.
	TicketLife = 24 * time.Hour
	// MaxTicketLife is the most it can ask for.
	MaxTicketLife = 7 * 24 * time.Hour
)

// MaxReportsPerDay bounds the reports of one job in a UTC day.
const MaxReportsPerDay = 100

// Registry knows who may call and what is asked of each job. It is asked anew
// at every call, so that a key that was cut off is refused at once. It must be
// safe for concurrent use.
type Registry interface {
	// Principal returns the holder of the key with that id.
	Principal(kid string) (holdfast.Principal, bool)
	// Job returns the vaults of a job of a host and its policy. A quota that
	// is not above zero admits nothing.
	Job(host, job string) (vaults []string, p holdfast.Policy, ok bool)
	// Copied reports whether no host sends the job's backups to the vault.
	Copied(vault, host, job string) bool
	// Signs reports whether the broker signs for the vault; hosts reach others
	// by themselves.
	Signs(vault string) bool
	// HostKeys returns the keys with which the host signs or once signed
	// manifests.
	HostKeys(host string) []ed25519.PublicKey
	// Addresses returns where the host comes from; none for anywhere.
	Addresses(host string) []netip.Prefix
}

// PushVault is what the push half may do with a vault: see names, add.
type PushVault interface {
	holdfast.Lister
	holdfast.Putter
	holdfast.Uploader
	holdfast.UploadLister
}

// RestoreVault is what the restore half may do with a vault: see names, sign
// downloads.
type RestoreVault interface {
	holdfast.Lister
	holdfast.DownloadSigner
}

// Options are what a Broker is made of.
type Options struct {
	// PublicURL is where hosts and operators reach the broker. It is the
	// audience of their tokens and the beginning of every ticket.
	PublicURL string
	Sealer    *token.Sealer
	Registry  Registry
	Push      map[string]PushVault    // by name; for the push half
	Restore   map[string]RestoreVault // by name; for the restore half
	// Certifiers sign SSH certificates, by the vault's name; for the push half.
	Certifiers map[string]Certifier
	Version    string

	Now  func() time.Time // default time.Now
	Rand io.Reader        // default crypto/rand.Reader
	Log  *slog.Logger     // default slog.Default()
	// Committed is called after a backup was committed or a report stored in a
	// vault, before the call is answered, so it should return at once. It must be
	// safe for concurrent use. May be nil.
	Committed func(vault string, ref holdfast.Ref)
}

// Broker serves the protocol of package api. It is safe for concurrent use.
type Broker struct {
	url        string
	sealer     *token.Sealer
	verifier   *token.Verifier
	registry   Registry
	push       map[string]PushVault
	restore    map[string]RestoreVault
	certifiers map[string]Certifier
	version    string
	now        func() time.Time
	log        *slog.Logger
	committed  func(vault string, ref holdfast.Ref)

	rand     lockedReader
	jobs     jobLocks
	gate     gate
	starts   pace
	decoding chan struct{} // held while a commit is decoded and checked
	health   health
	silence  silence
}

// New returns a Broker, or an error if the options would leave a check out.
func New(o Options) (*Broker, error) {
	url, err := token.Audience(o.PublicURL)
	if err != nil {
		return nil, fmt.Errorf("make broker: %w", err)
	}
	if o.Sealer == nil || o.Registry == nil {
		return nil, errors.New("make broker: no sealer or no registry")
	}
	b := &Broker{
		url: url, sealer: o.Sealer, registry: o.Registry, push: o.Push, restore: o.Restore, certifiers: o.Certifiers,
		version: o.Version, now: o.Now, log: o.Log, committed: o.Committed,
		rand: lockedReader{r: o.Rand}, decoding: make(chan struct{}, atOnceDecoded),
	}
	if b.now == nil {
		b.now = time.Now
	}
	if b.rand.r == nil {
		b.rand.r = rand.Reader
	}
	if b.log == nil {
		b.log = slog.Default()
	}
	if b.committed == nil {
		b.committed = func(string, holdfast.Ref) {}
	}
	b.verifier, err = token.NewVerifier(url, o.Registry.Principal, b.now)
	if err != nil {
		return nil, fmt.Errorf("make broker: %w", err)
	}
	return b, nil
}

// Handler returns both halves in one.
func (b *Broker) Handler() http.Handler { return b.mux((*Broker).routePush, (*Broker).routeRestore) }

// Push returns what hosts call: start, parts, commit, abort, reports.
func (b *Broker) Push() http.Handler { return b.mux((*Broker).routePush) }

// Restore returns what operators call: list, downloads, tickets.
func (b *Broker) Restore() http.Handler { return b.mux((*Broker).routeRestore) }

func (b *Broker) mux(halves ...func(*Broker, *http.ServeMux)) http.Handler {
	mux := http.NewServeMux()
	for _, route := range halves {
		route(b, mux)
	}
	mux.Handle("GET "+api.PathHealth, b.open(b.serveHealth))
	mux.Handle("/", b.open(func(http.ResponseWriter, *http.Request) error { return notFound(nil) }))
	return mux
}

func (b *Broker) routePush(mux *http.ServeMux) {
	mux.Handle("POST "+api.PathStart, b.call(usual, b.start))
	mux.Handle("POST "+api.PathParts, b.call(usual, b.parts))
	mux.Handle("POST "+api.PathCommit, b.call(committing, b.commit))
	mux.Handle("POST "+api.PathAbort, b.call(usual, b.abort))
	mux.Handle("POST "+api.PathCertificates, b.call(usual, b.certificate))
	mux.Handle("POST "+api.PathReports, b.call(usual, b.report))
}

func (b *Broker) routeRestore(mux *http.ServeMux) {
	mux.Handle("GET "+api.PathStart, b.call(listing, b.list))
	mux.Handle("POST "+api.PathDownloads, b.call(usual, b.downloads))
	mux.Handle("POST "+api.PathTickets, b.call(usual, b.ticket))
	mux.Handle("GET "+api.PathRedeem, b.open(b.redeem))
}

// lockedReader lets calls share one source of random bits.
type lockedReader struct {
	mu sync.Mutex
	r  io.Reader
}

func (l *lockedReader) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.Read(p)
}

// jobLocks serialise what is counted and committed per job and vault.
type jobLocks struct {
	mu    sync.Mutex
	slots map[string]*jobLock
}

// jobLock is there while somebody has it or waits for it.
type jobLock struct {
	turn  chan struct{}
	users int
}

// lock waits for the job's turn in the vault; the caller calls unlock.
func (l *jobLocks) lock(ctx context.Context, vault, host, job string) (unlock func(), err error) {
	name := vault + "/" + host + "/" + job
	l.mu.Lock()
	if l.slots == nil {
		l.slots = map[string]*jobLock{}
	}
	slot, ok := l.slots[name]
	if !ok {
		slot = &jobLock{turn: make(chan struct{}, 1)}
		l.slots[name] = slot
	}
	slot.users++
	l.mu.Unlock()
	leave := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if slot.users--; slot.users == 0 {
			delete(l.slots, name)
		}
	}
	select {
	case slot.turn <- struct{}{}:
		return func() { <-slot.turn; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}
