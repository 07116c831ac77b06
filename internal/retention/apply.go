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
// The backups of a batch are listed again right before their manifests go, and
// left if they are held by then; a hold within that moment comes too late. Of a backup whose
// manifest is locked, and of one that may only be watched, nothing is touched. A deletion that fails does not stop the
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
		doomed[d.ID] = !d.Keep && !d.Watched()
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
		a.dropManifests(ctx, a.looked(ctx, batch))
		a.drop(ctx, a.freed())
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

	gone map[holdfast.ID]bool

	mu  sync.Mutex // guards out while backups are looked at
	out Outcome
}

// looked returns those of the backups that nobody holds at this moment.
func (a *application) looked(ctx context.Context, backups []holdfast.Backup) []holdfast.Backup {
	free := make([]bool, len(backups))
	inParallel(ctx, a.concurrency, len(backups), func(i int) { free[i] = a.isFree(ctx, backups[i]) })
	var left []holdfast.Backup
	for i, b := range backups {
		if free[i] {
			left = append(left, b)
		}
	}
	return left
}

func (a *application) isFree(ctx context.Context, b holdfast.Backup) bool {
	now, err := lookAt(ctx, a.vault, b.Ref)
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case err != nil:
		a.failed(ctx, b.ManifestKey(), err)
		return false
	case now.held:
		a.out.Held = append(a.out.Held, b.Ref)
		return false
	}
	return true
}

// dropManifests makes backups cease to exist.
func (a *application) dropManifests(ctx context.Context, backups []holdfast.Backup) {
	manifests := make([]holdfast.Object, len(backups))
	for i, b := range backups {
		manifests[i] = holdfast.Object{Key: b.ManifestKey(), Size: b.Manifest.Size}
	}
	for i, gone := range a.drop(ctx, manifests) {
		if gone {
			a.gone[backups[i].ID] = true
			a.out.Deleted = append(a.out.Deleted, backups[i].Ref)
		}
	}
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

// drop deletes objects and reports which of them are gone.
func (a *application) drop(ctx context.Context, objects []holdfast.Object) []bool {
	keys, gone := make([]string, len(objects)), make([]bool, len(objects))
	for i, o := range objects {
		keys[i] = o.Key
	}
	for i, err := range deleteAll(ctx, a.vault, a.concurrency, keys) {
		switch {
		case err == nil:
			gone[i] = true
			a.out.Bytes += objects[i].Size
		case errors.Is(err, holdfast.ErrLocked):
			a.out.Locked = append(a.out.Locked, keys[i])
		default:
			a.failed(ctx, keys[i], err)
		}
	}
	return gone
}

// failed records what went wrong, unless it is that there is no more time. The
// caller holds mu while others run.
func (a *application) failed(ctx context.Context, key string, err error) {
	if ctx.Err() != nil {
		return
	}
	a.out.Failed = append(a.out.Failed, Failure{key, err.Error()})
}

func oldestFirst(a, b holdfast.Ref) int { return compareIDs(a.ID, b.ID) }
