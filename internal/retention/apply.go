package retention

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/catalog"
)

// Outcome is what became of a plan's deletions.
type Outcome struct {
	Deleted []holdfast.Ref `json:"deleted,omitempty"` // their manifests are gone, so they are
	Held    []holdfast.Ref `json:"held,omitempty"`    // held since the plan was made, so left
	Locked  []string       `json:"locked,omitempty"`  // keys that a lock of the vault protects for now
	Failed  []Failure      `json:"failed,omitempty"`
	Bytes   int64          `json:"bytes"` // freed, manifests and data
}

// applyBatch is how many backups lose their manifests before the data of all of
// them goes: what an interruption can at most leave to the sweep.
const applyBatch = 32

// Apply deletes from the job what the decisions say, the oldest first,
// concurrency requests at a time: manifests first, then the data that no
// manifest needs any more. A crash in between leaves orphans that the sweep
// removes, never a manifest without its data.
//
// Each backup is listed again right before its manifest goes, and left if it is
// held by then; a hold within that moment comes too late. Of a backup whose
// manifest is locked nothing is touched. A deletion that fails does not stop the
// others; Apply returns an error at the end that says how many failed. When ctx
// ends it begins no more and returns ctx's error. Repeating it is harmless, also
// while it runs elsewhere.
func Apply(ctx context.Context, vault Vault, job catalog.Job, decisions []Decision, concurrency int) (Outcome, error) {
	a := &application{vault: vault, job: job, concurrency: max(concurrency, 1),
		gone: map[holdfast.ID]bool{}, handled: map[string]bool{}}
	for _, object := range a.unneeded() {
		a.handled[object.Key] = true // an orphan already, which is the sweep's
	}
	doomed := map[holdfast.ID]bool{}
	for _, d := range decisions {
		doomed[d.ID] = !d.Keep
	}
	var backups []holdfast.Backup
	for _, b := range slices.Backward(job.Backups) { // they are newest first
		if doomed[b.ID] {
			backups = append(backups, b)
		}
	}
	for batch := range slices.Chunk(backups, applyBatch) {
		if ctx.Err() != nil {
			break
		}
		inParallel(ctx, a.concurrency, batch, func(b holdfast.Backup) { a.dropManifest(ctx, b) })
		inParallel(ctx, a.concurrency, a.freed(), func(o holdfast.Object) { a.drop(ctx, o) })
	}
	out := a.out
	slices.SortFunc(out.Deleted, oldestFirst)
	slices.SortFunc(out.Held, oldestFirst)
	slices.Sort(out.Locked)
	slices.SortFunc(out.Failed, func(a, b Failure) int { return cmp.Compare(a.Key, b.Key) })
	if err := ctx.Err(); err != nil {
		return out, fmt.Errorf("delete backups of %s/%s: %w", job.Host, job.Name, err)
	}
	if len(out.Failed) > 0 {
		return out, fmt.Errorf("delete backups of %s/%s: %d of the deletions failed, one with: %s",
			job.Host, job.Name, len(out.Failed), out.Failed[0].Error)
	}
	return out, nil
}

// application is one Apply under way.
type application struct {
	vault       Vault
	job         catalog.Job
	concurrency int
	handled     map[string]bool // data objects that are, or were, not needed

	mu   sync.Mutex // guards what follows
	gone map[holdfast.ID]bool
	out  Outcome
}

// dropManifest makes a backup cease to exist.
func (a *application) dropManifest(ctx context.Context, b holdfast.Backup) {
	now, err := lookAt(ctx, a.vault, b.Ref)
	if err != nil {
		a.failed(ctx, b.ManifestKey(), err)
		return
	}
	if now.held {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.out.Held = append(a.out.Held, b.Ref)
		return
	}
	if !a.drop(ctx, holdfast.Object{Key: b.ManifestKey(), Size: b.Manifest.Size}) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gone[b.ID] = true
	a.out.Deleted = append(a.out.Deleted, b.Ref)
}

// freed returns the data that nobody needs since the manifests now gone are.
func (a *application) freed() []holdfast.Object {
	objects := slices.DeleteFunc(a.unneeded(), func(o holdfast.Object) bool { return a.handled[o.Key] })
	for _, o := range objects {
		a.handled[o.Key] = true
	}
	return objects
}

func (a *application) unneeded() []holdfast.Object {
	return a.job.Unneeded(func(id holdfast.ID) bool { return a.gone[id] })
}

// drop deletes one object and reports whether it is gone.
func (a *application) drop(ctx context.Context, o holdfast.Object) bool {
	err := a.vault.Delete(ctx, o.Key)
	if err != nil && !errors.Is(err, holdfast.ErrLocked) {
		a.failed(ctx, o.Key, err)
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.out.Locked = append(a.out.Locked, o.Key)
		return false
	}
	a.out.Bytes += o.Size
	return true
}

// failed records what went wrong, unless it is that there is no more time.
func (a *application) failed(ctx context.Context, key string, err error) {
	if ctx.Err() != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.out.Failed = append(a.out.Failed, Failure{key, err.Error()})
}

func oldestFirst(a, b holdfast.Ref) int { return compareIDs(a.ID, b.ID) }
