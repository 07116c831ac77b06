package b2

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/vault/s3"
)

// Whose token has ended does not wait for another call's authorization longer than
// its own time.
func TestACallWhoseTimeIsUpDoesNotWaitForAnothersAuthorization(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAccount(Options{}, s3.Store{}, func(context.Context, holdfast.Upload) error { return nil })
		s := <-a.opened // another call begins to authorize
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- a.forget(ctx, s) }()
		synctest.Wait()
		cancel()
		synctest.Wait()
		select {
		case err := <-done:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		default:
			t.Error("it waits")
			a.opened <- nil
		}
	})
}
