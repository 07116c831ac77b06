package s3

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/holdfast-backup/holdfast/internal/testenv"
	"github.com/holdfast-backup/holdfast/internal/vault/conform"
)

// concurrent are the checks that a store without conditional writes can't be sure
// to keep: between looking and writing somebody else may write.
var concurrent = []string{"put-concurrent", "complete-concurrent", "state-concurrent"}

func TestConformance(t *testing.T) {
	server := testenv.S3(t)
	for _, c := range []struct {
		name   string
		bucket testenv.Bucket
		store  string
		change func(o *Options)
		cannot []string // the checks that need what the store lacks
	}{
		{"plain", testenv.Bucket{}, "aws", nil, nil},
		{"versioned, below a prefix", testenv.Bucket{Versioned: true}, "aws", func(o *Options) { o.Prefix = "acme/backups" }, nil},
		{"locked", testenv.Bucket{Locked: true}, "aws", nil, nil},
		{"every backup locked, below a prefix", testenv.Bucket{Locked: true}, "aws", func(o *Options) {
			o.Prefix, o.Lock = "acme", &Lock{Governance: true, For: 48 * time.Hour}
		}, nil},
		{"as on minio", testenv.Bucket{Versioned: true}, "minio", nil, nil},
		{"as on r2, without versions", testenv.Bucket{}, "r2", nil, nil},
		{"as on scaleway, without conditional writes", testenv.Bucket{}, "scaleway", nil, concurrent},
		{"as on b2, without batch delete", testenv.Bucket{Versioned: true}, "b2", func(o *Options) {
			o.Prefix, o.Store.BatchDelete = "acme", false
		}, concurrent},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v := newVault(t, server, server.NewBucket(t, c.bucket), func(o *Options) {
				o.Store = preset(t, c.store)
				o.Now = func() time.Time { return time.Now().Add(ahead) }
				if c.change != nil {
					c.change(o)
				}
			})
			env := conform.NewEnv(v, http.DefaultClient)
			advance := map[string]advancing{"part-expired": outlast, "download-expired": outlast}
			if c.bucket.Locked {
				locks := testenv.NewLocks(v.client, *v.bucket, v.prefix)
				env.Lock, advance["delete-locked"] = locks.Lock, locks.Advance
			}
			for _, r := range runAll(t.Context(), env, advance) {
				t.Run(r.Name, func(t *testing.T) {
					switch {
					case r.Skipped() && strings.HasPrefix(r.Name, "receive-"): // parts are signed here
					case r.Skipped() && r.Name == "delete-locked" && !c.bucket.Locked: // the bucket knows no locks
					case slices.Contains(c.cannot, r.Name):
						t.Logf("this store does not promise it; this time: %v", r.Err)
					case r.Err != nil:
						t.Error(r.Err)
					}
				})
			}
			nothingLeft(t, v)
		})
	}
}

// runAll runs all checks, those that need time to pass with an Advance of their own,
// beside the others.
func runAll(ctx context.Context, env *conform.Env, advance map[string]advancing) []conform.Result {
	results := make([]conform.Result, 0, len(conform.Checks()))
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

// ahead is how far the vault's clock is ahead of versitygw's, by which signatures end.
// They last so much longer then: what uses one before it ends has that time.
const ahead = 10 * time.Second

// outlast waits until a signature has ended.
func outlast(ctx context.Context, d time.Duration) error { return testenv.Wait(ctx, ahead+d) }

// nothingLeft fails the test if the bucket still holds anything: an object, a
// version, a marker, an upload.
func nothingLeft(t *testing.T, v *Vault) {
	t.Helper()
	all, err := v.client.ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: v.bucket})
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range v.versionsOf(all) {
		t.Errorf("left behind: %+v", one)
	}
	for u, err := range v.ListUploads(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		t.Errorf("left behind: upload of %q", u.Key)
	}
}
