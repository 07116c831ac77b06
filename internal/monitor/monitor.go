// Package monitor judges a vault from outside the machines that fill it. It
// lists the vault, reads what is new, compares it with what each job's policy
// expects and with what it remembers, and returns findings and what changed
// about them since the last run. It repairs, deletes and sends nothing: telling
// people is the caller's part, from Result.Transitions.
//
// # Checks
//
//	reachable     critical           the vault could not be listed or read; jobs are not judged
//	state         warning            the monitor's memory was damaged or could not be written
//	missing       critical           no good backup at all, every + grace after the job was first known
//	fresh         critical           the newest good backup is older than every + grace
//	min-size      critical           the newest good backup is smaller than min_size
//	streams       warning, critical  … lacks a usual file; critical once that is older than every + grace
//	size-shrunk   warning            … has a file smaller than shrink × its usual size
//	size-grown    warning            … has a file larger than grow × its usual size
//	compression   warning, critical  … has a file that compresses less than half as well as usual; critical if hardly at all
//	max-total     warning            the job's backups take more room than max_total
//	min-count     warning            fewer good backups than min_count
//	stored-size   critical, warning  data objects missing or of another size; a warning for unexpected ones
//	manifest      critical           unreadable, unknown format, bad signature, or that of another backup
//	hash          critical, warning  a re-read object differs from its SHA-256; a warning if unreadable
//	failed-run    warning            a failure report newer than the newest good backup
//	future        warning            backups that bear a time to come
//	unfinished    warning            data without a manifest, older than three days and seen for an hour: the sweep does not work
//	stray         warning            objects among the backups that belong to none
//	reports       warning            more reports than can be sensible
//	versioning    warning            the bucket keeps no versions
//	public        critical           the bucket can be opened to the public
//	hidden        critical           somebody deleted objects by name
//	retention     warning            retention has not run for three days
//	retention-…   as it says         what the last run of retention found, see internal/retention
//
// A backup is good if the listing says so (holdfast.Backup.Good) and nothing is
// known against its manifest, its objects or their hashes.
//
// Sizes and ratios are compared file by file, so that large media do not hide
// a database that has become empty. Files are told apart by their plain names,
// whatever their compression. What is usual is the median of the largest of
// each of the last 15 days, the day of the newest backup aside; see
// catalog.History, by which retention judges too. The whole backup is compared
// where it has a file of which nothing is usual yet.
//
// Of a host that was cut off nothing new is expected, so fresh, missing and
// failed-run are left out; what it has sent is judged as before.
//
// Of an adopted backup (holdfast.Backup.Adopted) there is a name, a size and a time,
// and these are judged as ever. There is no manifest, no signature and no hash, so
// compression, stored-size, manifest and hash say nothing of it.
//
// # Cost
//
// A run makes one listing of the backups, one of the reports, two loads and one
// swap of state, and opens the manifests and reports that are new, up to a
// budget. Once an hour it asks the vault, where that can be asked
// (holdfast.Posturer), how it is protected. What a budget leaves undone comes in the next run; until then an open
// finding that it concerns stays open.
//
// # State
//
// The state is one JSON document under StateKey, replaced conditionally so that
// two monitors at once neither lose nor repeat a transition:
//
//	{"version": 1,
//	 "revision": 1761660300000,                  grows with each change of the document
//	 "looked": "2025-10-28T14:05:00Z",           when the vault was last judged
//	 "postured": "2025-10-28T13:35:00Z",         when it was last asked how it is protected
//	 "jobs": {"web1/crm": {
//	   "first": "…", "looked": "…",              first known, last judged
//	   "reread": {"id": "…", "at": "…"},         the backup last re-read whole
//	   "report": {"seen": "…", "failed": "…", "reason": "…"},
//	   "failures": [{"id": "…", "reason": "…"}, …],  the newest failed runs
//	   "drill": {"id": "…", "ok": true},         the last restore drill
//	   "orphan": {"id": "…", "at": "…"},         the oldest that the sweep left, seen since
//	   "facts": [["<id>", plain bytes, [compression ratio by file, …], "<digest of names and sizes>",
//	              "<fault>", "<reason>", "<when>"], …]}},   the last three only where faulty
//	 "reading": {…},                             a re-read that the budget cut short
//	 "open": [findings]}
//
// A document that cannot be understood is copied aside, reported as a finding,
// and begun anew.
package monitor

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/catalog"
)

// Vault is what the monitor may do: it lists and reads, and writes its state.
type Vault interface {
	holdfast.Lister
	holdfast.Reader
	holdfast.Stater
}

// Budgets where Options say nothing else.
const (
	DefaultManifestReads       = 2000
	DefaultHashBytes     int64 = 1 << 30
	DefaultConcurrency         = 8
)

// Options say what to judge and how much to spend on it. Policies and HostKeys
// are needed.
type Options struct {
	// Now is the clock; time.Now if nil.
	Now func() time.Time
	// VaultName is how people call the vault, "" for all vaults seen as one;
	// only for texts.
	VaultName string
	// Policies returns what is asked of a job; false for one that is not
	// watched.
	Policies func(host, job string) (holdfast.Policy, bool)
	// Retired reports whether a host was cut off, so that nothing new is
	// expected of it; nil for none.
	Retired func(host string) bool
	// Expected are the jobs that must exist even if nothing of them has
	// arrived yet. Jobs that were there once and have a policy are expected
	// without being named.
	Expected []holdfast.JobName
	// HostKeys returns the keys that may have signed the host's manifests.
	HostKeys func(host string) []ed25519.PublicKey
	// Jobs limits the run to these, which are then all that is listed; nil for
	// all jobs. Open findings of others stay open.
	Jobs []holdfast.JobName
	// Only limits the run to some jobs; nil for all.
	Only func(host, job string) bool
	// Observe, if set, is called with what is listed of each watched job, one
	// at a time. It must not keep it.
	Observe func(job catalog.Job)
	// ManifestReads is how many manifests the checks may open; 0 for
	// DefaultManifestReads, negative for none.
	ManifestReads int
	// HashBytes is how many bytes of data objects may be re-read; 0 for none.
	HashBytes int64
	// Concurrency is how many objects are opened at once; 0 for DefaultConcurrency.
	Concurrency int
	// DryRun leaves the state as it was: the next run finds the same transitions.
	DryRun bool
}

// run is one run of the monitor.
type run struct {
	vault Vault
	opts  Options
	look  *look
	count Checked
}

// Run judges the vault. The error is not nil only where the vault could not be
// judged, or opts cannot be used; the Result then says so as a finding as well,
// also where ctx had a deadline, but not where ctx was cancelled. Whatever else is
// wrong is a finding alone.
func Run(ctx context.Context, vault Vault, opts Options) (Result, error) {
	if opts.Policies == nil || opts.HostKeys == nil {
		return Result{}, fmt.Errorf("monitor %s: no policies or no host keys", vaultName("%q", opts.VaultName))
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	opts.ManifestReads = cmp.Or(opts.ManifestReads, DefaultManifestReads)
	opts.Concurrency = cmp.Or(opts.Concurrency, DefaultConcurrency)
	started := opts.Now()
	r := &run{vault: vault, opts: opts}

	memory, err := load(ctx, vault)
	// The look begins after the load: a state that appears later is by a
	// monitor that looked at about the same time, see merge.
	now := opts.Now().UTC()
	r.look = newLook(now)
	if err == nil {
		r.look.note(memory.damage(now, opts.DryRun))
		err = r.observe(ctx, memory.state)
	}
	if err != nil {
		r.look = newLook(now)
		if errors.Is(ctx.Err(), context.Canceled) { // which says nothing of the vault
			return r.sum(merge(newState(), r.look, false)), fmt.Errorf("monitor %s: %w", vaultName("%q", opts.VaultName), err)
		}
		r.look.note(unreachable(err))
	}
	if ctx.Err() != nil { // too slow a vault is remembered as one that cannot be judged
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTime)
		defer cancel()
		ctx = late
	}
	result := r.sum(r.save(ctx, memory))
	result.Took = opts.Now().Sub(started)
	if err != nil {
		return result, fmt.Errorf("monitor %s: %w", vaultName("%q", opts.VaultName), err)
	}
	return result, nil
}

// observe fills the look with views of all jobs and what is wrong with them.
func (r *run) observe(ctx context.Context, st *state) error {
	// Reports first: a good backup that arrives in between then resolves a
	// failure instead of being missed.
	reports, err := r.listReports(ctx)
	if err != nil {
		return err
	}
	wanted, err := r.survey(ctx, st, reports)
	if err != nil {
		return err
	}
	if err := r.posture(ctx, st); err != nil {
		return err
	}
	if err := r.readManifests(ctx, wanted); err != nil {
		return err
	}
	if err := r.readReports(ctx, reports); err != nil {
		return err
	}
	if err := r.reread(ctx, st.Reading); err != nil {
		return err
	}
	for _, v := range r.look.views {
		r.look.judge(v)
	}
	if err := r.cleanup(ctx); err != nil {
		return err
	}
	r.look.judged = true
	if r.sawAll() {
		delete(r.look.undecided, findingKey{check: holdfast.CheckReachable})
	}
	return nil
}

// saveTime is how long saving the state may take after the deadline of a run.
const saveTime = 30 * time.Second

func unreachable(err error) holdfast.Finding {
	return holdfast.Finding{
		Check: holdfast.CheckReachable, Severity: holdfast.Critical,
		Summary: "the vault cannot be judged: " + oneLine(err.Error()),
		Hint:    "holdfast check",
	}
}
