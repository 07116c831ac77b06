package b2

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/holdfast-backup/holdfast/internal/testenv"
	standin "github.com/holdfast-backup/holdfast/internal/testenv/b2"
	"github.com/holdfast-backup/holdfast/internal/vault/conform"
)

// TestConformance has no exception: what the store cannot do, versions do.
func TestConformance(t *testing.T) {
	for _, c := range []struct {
		name            string
		locked, started bool
	}{
		{"large files sorted by when they were finished", false, false},
		{"large files sorted by when they were started", false, true},
		{"with file lock", true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := standin.New(t, testenv.Bucket{Locked: c.locked})
			s.Started = c.started
			v := newVault(t, s)
			env := conform.NewEnv(v, http.DefaultClient)
			env.Advance = wait
			if c.locked {
				env.Lock = lockFor(s, v)
			}
			for _, r := range runAll(t.Context(), env) {
				t.Run(r.Name, func(t *testing.T) {
					if r.Skipped() && r.Name == "delete-locked" && !c.locked {
						return // the bucket knows no locks
					}
					if r.Skipped() && strings.HasPrefix(r.Name, "receive-") {
						return // parts are signed here
					}
					if r.Err != nil {
						t.Error(r.Err)
					}
				})
			}
			for _, one := range all(t, v, "") {
				t.Errorf("left behind: %+v", one)
			}
		})
	}
}

// runAll runs all checks, those that wait for signatures and locks to end beside the
// others.
func runAll(ctx context.Context, env *conform.Env) []conform.Result {
	var results []conform.Result
	var mu sync.Mutex
	run := func(c conform.Check) {
		err := c.Run(ctx, env)
		mu.Lock()
		defer mu.Unlock()
		results = append(results, conform.Result{Check: c, Err: err})
	}
	waits := func(c conform.Check) bool {
		return slices.Contains([]string{"part-expired", "download-expired", "delete-locked"}, c.Name)
	}
	var wg sync.WaitGroup
	for _, c := range conform.Checks() {
		if waits(c) {
			wg.Go(func() { run(c) })
		}
	}
	for _, c := range conform.Checks() {
		if !waits(c) {
			run(c)
		}
	}
	wg.Wait()
	return results
}

// lockFor returns conform.Env's Lock. The hour that a check asks for would have to be
// waited for, so it is a few seconds.
func lockFor(s *standin.Server, v *Vault) func(context.Context, string, time.Duration) error {
	return func(ctx context.Context, key string, _ time.Duration) error {
		until := time.Now().Add(3 * time.Second)
		name := v.prefix + key
		_, err := s.Direct().PutObjectRetention(ctx, &s3.PutObjectRetentionInput{
			Bucket: &s.Bucket, Key: &name,
			Retention: &types.ObjectLockRetention{Mode: types.ObjectLockRetentionModeGovernance, RetainUntilDate: &until},
		})
		return err
	}
}
