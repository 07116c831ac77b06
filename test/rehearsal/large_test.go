package rehearsal

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// What lies in the large vault, and what a clean-up leaves of it.
const (
	largeJobs   = 100
	largePerJob = 1000
	largeKeep   = 970
	largeLimit  = 512 // MiB of memory
)

// BenchmarkLargeVault cleans a vault of 100,000 backups up, of which 3,000 have
// to go, in one invocation of the deployed function, and again when nothing is
// left to do. It fails where that takes more memory than the function has.
func BenchmarkLargeVault(b *testing.B) {
	place, store := build(b), testenv.S3(b)
	for b.Loop() {
		bucket := store.NewBucket(b, testenv.Bucket{Versioned: true})
		fill(b, filepath.Join(store.Dir, bucket))
		calls := &calls{count: map[string]int{}}
		s3 := listen(b, calls.before(forward(b, store.URL)))
		f := &Function{
			Name: "retention", ARN: "arn:aws:lambda:" + region + ":" + account + ":function:retention", Dir: unpack(b, zip(place, "retention")),
			Env: map[string]string{
				"HOLDFAST_CONFIG": largeConfig(b, bucket, store.Region), "HOLDFAST_DEPLOYMENT": "bench", "AWS_ENDPOINT_URL_S3": s3,
				"AWS_ACCESS_KEY_ID": store.AccessKey, "AWS_SECRET_ACCESS_KEY": store.SecretKey,
			},
			Region: region, Memory: largeLimit, Timeout: 15 * time.Minute, Limit: 1, Log: &Log{},
		}
		i, err := f.take(b.Context())
		must(b, err)
		for _, run := range []string{"first", "second"} {
			calls.reset()
			began := time.Now()
			if _, err := i.invoke(b.Context(), []byte(first["retention"])); err != nil {
				b.Fatalf("%v\n%s", err, f.Log)
			}
			most := peak(b, i.command.Process.Pid)
			b.Logf("%s run: %.0f s, %.0f MiB at the peak, requests: %s", run, time.Since(began).Seconds(), most, calls)
			if most > largeLimit {
				b.Errorf("%s run: took %.0f MiB, and the function has %d", run, most, largeLimit)
			}
			b.ReportMetric(time.Since(began).Seconds(), "s-"+run)
			b.ReportMetric(most, "MiB-peak")
		}
		if n := manifests(b, filepath.Join(store.Dir, bucket)); n != largeJobs*largeKeep {
			b.Errorf("left %d backups, want %d", n, largeJobs*largeKeep)
		}
		f.giveBack(i)
		f.Stop()
	}
	b.ReportMetric(0, "ns/op") // not shown
}

// fill puts the backups where the server keeps the bucket: that is quicker than
// sending them, and it lists them as if they were sent.
func fill(b *testing.B, bucket string) {
	b.Helper()
	newest := time.Now().UTC().Add(-time.Hour)
	for job := range largeJobs {
		for n := range largePerJob {
			id := newest.AddDate(0, 0, -n).Format("20060102T150405Z") + fmt.Sprintf("-%08x", job*largePerJob+n)
			dir := filepath.Join(bucket, "backups", "web1", fmt.Sprintf("job-%04d", job), id)
			must(b, os.MkdirAll(dir, 0o755))
			must(b, os.WriteFile(filepath.Join(dir, "crm.sql.zst.age"), []byte("dump"), 0o644))
			must(b, os.WriteFile(filepath.Join(dir, "manifest.json"), []byte("{}"), 0o644))
		}
	}
}

func largeConfig(b *testing.B, bucket, region string) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "holdfast.yaml")
	var text strings.Builder
	fmt.Fprintf(&text, "broker: { url: https://backup.example.com, secret: ssm:/bench/secret }\nvaults: { main: { s3: { bucket: %s, region: %s } } }\n", bucket, region)
	fmt.Fprintf(&text, "hosts: { web1: { key: %q, jobs: ['job-*'] } }\njobs:\n", "ed25519:WwjwA5yLaGIwpXh88E6tSxPUbnIpHb4XY4evZV59OUM")
	for job := range largeJobs {
		fmt.Fprintf(&text, "  job-%04d: { keep: { last: %d } }\n", job, largeKeep)
	}
	must(b, os.WriteFile(path, []byte(text.String()), 0o600))
	return path
}

// manifests counts the backups that the bucket has.
func manifests(b *testing.B, bucket string) int {
	b.Helper()
	found, err := filepath.Glob(filepath.Join(bucket, "backups", "*", "*", "*", "manifest.json"))
	must(b, err)
	return len(found)
}

// calls counts the calls of S3 by what they ask for.
type calls struct {
	mu    sync.Mutex
	count map[string]int
}

func (c *calls) before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query, name := r.URL.Query(), r.Method
		switch {
		case query.Has("delete"):
			name = "DeleteObjects"
		case query.Has("versions"):
			name = "ListObjectVersions"
		case query.Has("uploads"):
			name = "ListMultipartUploads"
		case query.Get("list-type") == "2":
			name = "ListObjectsV2"
		}
		c.mu.Lock()
		c.count[name]++
		c.mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

func (c *calls) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.count)
}

func (c *calls) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []string
	for _, name := range slices.Sorted(maps.Keys(c.count)) {
		all = append(all, fmt.Sprintf("%d %s", c.count[name], name))
	}
	return strings.Join(all, ", ")
}
