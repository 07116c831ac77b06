package conform

import (
	"context"
	"slices"
	"testing"

	"github.com/holdfast-backup/holdfast/internal/vault/mem"
)

// batchStore is a vault that deletes many at once, in its own way.
type batchStore struct {
	*mem.Vault
	deleteBatch func(ctx context.Context, keys []string) []error
}

func (s batchStore) DeleteBatch(ctx context.Context, keys []string) []error {
	return s.deleteBatch(ctx, keys)
}

func TestABatchThatBreaksItsPromiseIsCaught(t *testing.T) {
	for name, broken := range map[string]func(v *mem.Vault, ctx context.Context, keys []string) []error{
		"deletes nothing": func(_ *mem.Vault, _ context.Context, keys []string) []error { return make([]error, len(keys)) },
		"says nothing": func(v *mem.Vault, ctx context.Context, keys []string) []error {
			for _, key := range keys {
				_ = v.Delete(ctx, key)
			}
			return nil
		},
		"deletes what lies between": func(v *mem.Vault, ctx context.Context, keys []string) []error {
			if len(keys) > 0 {
				for o := range v.List(ctx, "") {
					if o.Key >= slices.Min(keys) && o.Key <= slices.Max(keys) {
						_ = v.Delete(ctx, o.Key)
					}
				}
			}
			return make([]error, len(keys))
		},
	} {
		t.Run(name, func(t *testing.T) {
			vault, env := newMem(t)
			env.Vault = batchStore{vault, func(ctx context.Context, keys []string) []error { return broken(vault, ctx, keys) }}
			if err := deleteBatch(t.Context(), env.scratch("delete-batch")); err == nil {
				t.Error("the check passes")
			} else {
				t.Log(err)
			}
		})
	}
}
