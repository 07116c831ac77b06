// Package retention thins backups out. Plan decides, as a pure function that
// gives reasons; Brake refuses plans that look wrong; Apply deletes, manifest
// first and data after; Run does all of it for a vault, one job in memory at a
// time, and sweeps up what interrupted backups left behind.
//
// It judges by the listing alone: it neither reads nor writes an object, and the
// Vault it takes can do neither. It alerts nobody; what it found wrong it
// returns.
package retention

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/holdfast-backup/holdfast"
)

// Vault is what retention may do to a vault: list, delete, abort uploads.
type Vault interface {
	holdfast.Lister
	holdfast.Deleter
	holdfast.UploadLister
	// AbortUpload discards an upload, as holdfast.Uploader has it.
	AbortUpload(ctx context.Context, u holdfast.Upload) error
}

// Failure is something that could not be removed.
type Failure struct {
	Key   string `json:"key"`
	Error string `json:"error"`
}

// look is what lies under one backup at this moment.
type look struct {
	objects   []holdfast.Object
	committed bool
	held      bool
}

// lookAt lists one backup again, right before something of it is deleted: since
// the job was listed somebody may have held it, or the broker committed it.
func lookAt(ctx context.Context, vault holdfast.Lister, ref holdfast.Ref) (look, error) {
	var l look
	for object, err := range vault.List(ctx, ref.Key("")) {
		if err != nil {
			return look{}, err
		}
		l.objects = append(l.objects, object)
		switch object.Key {
		case ref.ManifestKey():
			l.committed = true
		case ref.HoldKey():
			l.held = true
		}
	}
	return l, nil
}

// inParallel calls do with 0 to count-1, n calls at a time, and returns when all
// have. Once ctx has ended it begins no more. A panic of do is one of the caller.
func inParallel(ctx context.Context, n, count int, do func(i int)) {
	var next atomic.Int64
	var running sync.WaitGroup
	var panicked atomic.Pointer[any]
	for range min(n, count) {
		running.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					panicked.Store(&p)
				}
			}()
			for ctx.Err() == nil && panicked.Load() == nil {
				i := int(next.Add(1)) - 1
				if i >= count {
					return
				}
				do(i)
			}
		})
	}
	running.Wait()
	if p := panicked.Load(); p != nil {
		panic(*p)
	}
}
