package retention

import (
	"context"
	"fmt"

	"github.com/holdfast-backup/holdfast"
)

// batchDeleter is a vault that deletes many objects in few requests. It returns
// one result per key, in their order, each as holdfast.Deleter's Delete has it.
type batchDeleter interface {
	DeleteBatch(ctx context.Context, keys []string) []error
}

// deleteAll deletes the objects and returns what became of each, in the order of
// the keys: in few requests where the vault can, else concurrency at a time. What
// is not tried because ctx has ended has ctx's error.
func deleteAll(ctx context.Context, vault holdfast.Deleter, concurrency int, keys []string) []error {
	if len(keys) == 0 {
		return nil
	}
	if many, ok := vault.(batchDeleter); ok {
		errs := many.DeleteBatch(ctx, keys)
		if len(errs) != len(keys) {
			panic(fmt.Sprintf("the vault answered %d of %d deletions", len(errs), len(keys)))
		}
		return errs
	}
	errs, tried := make([]error, len(keys)), make([]bool, len(keys))
	inParallel(ctx, concurrency, len(keys), func(i int) { errs[i], tried[i] = vault.Delete(ctx, keys[i]), true })
	for i := range errs {
		if !tried[i] {
			errs[i] = ctx.Err()
		}
	}
	return errs
}
