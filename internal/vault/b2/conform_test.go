package b2

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

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
			clock := standing{now: time.Now()}
			s.Now = clock.Now
			v := vaultAt(t, s, s.NewKey(t, "acme/", capabilities(t, "all")...), func() time.Time { return time.Now().Add(ahead) })
			env := conform.NewEnv(v, http.DefaultClient)
			advance := map[string]advancing{"part-expired": outlast, "download-expired": clock.advance}
			if c.locked {
				locks := testenv.NewLocks(s.Direct(), s.Bucket, v.prefix)
				env.Lock, advance["delete-locked"] = locks.Lock, locks.Advance
			}
			for _, r := range runAll(t.Context(), env, advance) {
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

// runAll runs all checks, those that need time to pass with an Advance of their own,
// beside the others.
func runAll(ctx context.Context, env *conform.Env, advance map[string]advancing) []conform.Result {
	var results []conform.Result
	var mu sync.Mutex
	run := func(c conform.Check, env conform.Env) {
		env.Advance = advance[c.Name]
		err := c.Run(ctx, &env)
		mu.Lock()
		defer mu.Unlock()
		results = append(results, conform.Result{Check: c, Err: err})
	}
	var wg sync.WaitGroup
	for _, c := range conform.Checks() {
		if advance[c.Name] != nil {
			wg.Go(func() { run(c, *env) })
		}
	}
	for _, c := range conform.Checks() {
		if advance[c.Name] == nil {
			run(c, *env)
		}
	}
	wg.Wait()
	return results
}

// advancing is conform.Env's Advance.
type advancing = func(ctx context.Context, d time.Duration) error

// ahead is how far the vault's clock is ahead of versitygw's, by which signatures over
// S3 end. They last so much longer then: what uses one before it ends has that time.
const ahead = 10 * time.Second

// outlast waits until a signature over S3 has ended.
func outlast(ctx context.Context, d time.Duration) error { return testenv.Wait(ctx, ahead+d) }

// standing is a clock that stands until it is moved: that of the stand-in, by which
// download authorizations end.
type standing struct {
	mu  sync.Mutex
	now time.Time
}

func (c *standing) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *standing) advance(_ context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return nil
}
