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
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

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
				if c.change != nil {
					c.change(o)
				}
			})
			env := conform.NewEnv(v, http.DefaultClient)
			env.Advance = wait
			if c.bucket.Locked {
				env.Lock = lockFor(v)
			}
			for _, r := range runAll(t.Context(), env) {
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

// runAll runs all checks, those that wait for signatures and locks to end beside
// the others.
func runAll(ctx context.Context, env *conform.Env) []conform.Result {
	results := make([]conform.Result, 0, len(conform.Checks()))
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

// lockFor returns conform.Env's Lock. The hour that a check asks for would have to
// be waited for, so it is a few seconds.
func lockFor(v *Vault) func(context.Context, string, time.Duration) error {
	return func(ctx context.Context, key string, _ time.Duration) error {
		return lock(ctx, v, key, nil, 3*time.Second)
	}
}

// lock forbids the deletion of a version, nil for the newest, for d.
func lock(ctx context.Context, v *Vault, key string, id *string, d time.Duration) error {
	until := time.Now().Add(d)
	_, err := v.client.PutObjectRetention(ctx, &s3.PutObjectRetentionInput{
		Bucket: v.bucket, Key: v.name(key), VersionId: id,
		Retention: &types.ObjectLockRetention{Mode: types.ObjectLockRetentionModeGovernance, RetainUntilDate: &until},
	})
	return err
}

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
