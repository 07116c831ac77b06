package rehearsal

import (
	"crypto/ed25519"
	"crypto/sha256"
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

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/testenv"
	"github.com/holdfast-backup/holdfast/internal/token"
)

// What lies in the large vault, and what a clean-up leaves of it.
const (
	largeJobs   = 100
	largePerJob = 1000
	largeKeep   = 970
	largeLimit  = 512 // MiB of memory
)

// BenchmarkLargeVault has the functions that run on a schedule go over a vault of
// 100,000 backups, several times one after the other. It fails where that takes more
// memory than the function has.
func BenchmarkLargeVault(b *testing.B) {
	place := build(b)
	b.Run("retention", func(b *testing.B) {
		for b.Loop() {
			v := newLarge(b, place, "retention")
			v.run(b, "first") // 3,000 have to go
			v.run(b, "second")
			if n := manifests(b, v.dir); n != largeJobs*largeKeep {
				b.Errorf("left %d backups, want %d", n, largeJobs*largeKeep)
			}
			v.function.giveBack(v.instance)
		}
		b.ReportMetric(0, "ns/op") // not shown
	})
	b.Run("monitor", func(b *testing.B) {
		for b.Loop() {
			v := newLarge(b, place, "monitor")
			v.run(b, "first") // opens 2,000 manifests
			v.run(b, "second")
			v.run(b, "third") // nothing is new
			page, err := os.Stat(filepath.Join(v.dir, "state", "status.html"))
			must(b, err)
			b.ReportMetric(float64(page.Size())/1000, "kB-page")
			v.function.giveBack(v.instance)
		}
		b.ReportMetric(0, "ns/op")
	})
}

// large is a function before a large vault.
type large struct {
	dir      string // where the server keeps the bucket
	calls    *calls
	function *Function
	instance *instance
}

func newLarge(b *testing.B, place, function string) *large {
	b.Helper()
	store := testenv.S3(b)
	bucket := store.NewBucket(b, testenv.Bucket{Versioned: true})
	v := &large{dir: filepath.Join(store.Dir, bucket), calls: &calls{count: map[string]int{}}}
	public, private, err := ed25519.GenerateKey(nil)
	must(b, err)
	fill(b, v.dir, private)
	s3 := listen(b, v.calls.before(forward(b, store.URL)))
	v.function = &Function{
		Name: function, ARN: "arn:aws:lambda:" + region + ":" + account + ":function:" + function, Dir: unpack(b, zip(place, function)),
		Env: map[string]string{
			"HOLDFAST_CONFIG": largeConfig(b, bucket, store.Region, holdfast.FormatPublicKey(public)), "HOLDFAST_DEPLOYMENT": "bench", "AWS_ENDPOINT_URL_S3": s3,
			"AWS_ACCESS_KEY_ID": store.AccessKey, "AWS_SECRET_ACCESS_KEY": store.SecretKey,
		},
		Region: region, Memory: largeLimit, Timeout: 15 * time.Minute, Limit: 1, Log: &Log{},
	}
	b.Cleanup(v.function.Stop)
	v.instance, err = v.function.take(b.Context())
	must(b, err)
	return v
}

// run invokes the function and measures it.
func (v *large) run(b *testing.B, which string) {
	b.Helper()
	v.calls.reset()
	began := time.Now()
	if _, err := v.instance.invoke(b.Context(), []byte(first[v.function.Name])); err != nil {
		b.Fatalf("%v\n%.4000s", err, v.function.Log)
	}
	took, most := time.Since(began).Seconds(), peak(b, v.instance.command.Process.Pid)
	b.Logf("%s run: %.1f s, %.0f MiB at the peak, requests: %s", which, took, most, v.calls)
	if most > largeLimit {
		b.Errorf("%s run: took %.0f MiB, and the function has %d", which, most, largeLimit)
	}
	b.ReportMetric(took, "s-"+which)
	b.ReportMetric(most, "MiB-peak")
}

// opened is how many backups of each job have a manifest that can be opened: more
// than the monitor looks at.
const opened = 60

// fill puts the backups where the server keeps the bucket: that is quicker than
// sending them, and it lists them as if they were sent.
func fill(b *testing.B, bucket string, key ed25519.PrivateKey) {
	b.Helper()
	newest := time.Now().UTC().Add(-time.Hour)
	for job := range largeJobs {
		for n := range largePerJob {
			id := holdfast.ID(newest.AddDate(0, 0, -n).Format("20060102T150405Z") + fmt.Sprintf("-%08x", job*largePerJob+n))
			ref := holdfast.Ref{Host: "web1", Job: fmt.Sprintf("job-%04d", job), ID: id}
			manifest := []byte("{}")
			if n < opened {
				var err error
				manifest, err = token.SignManifest(key, largeManifest(ref))
				must(b, err)
			}
			must(b, os.MkdirAll(filepath.Dir(filepath.Join(bucket, ref.ManifestKey())), 0o755))
			must(b, os.WriteFile(filepath.Join(bucket, ref.Key("crm.sql.zst.age")), []byte(largeData), 0o644))
			must(b, os.WriteFile(filepath.Join(bucket, ref.ManifestKey()), manifest, 0o644))
		}
	}
}

const largeData = "dump"

func largeManifest(ref holdfast.Ref) holdfast.Manifest {
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(largeData)))
	return holdfast.Manifest{
		Format: holdfast.ManifestFormat, Ref: ref, Started: ref.ID.Time(), HostStarted: ref.ID.Time(), HostFinished: ref.ID.Time(), Pusher: "bench",
		Streams: []holdfast.Stream{{
			Name: "crm", File: "crm.sql.zst.age", PlainFile: "crm.sql", PlainSize: 40, PlainSHA256: sum, StoredSize: int64(len(largeData)), StoredSHA256: sum,
			Compression: "zstd", Encryption: holdfast.Encryption{Format: "age"}, Checksum: holdfast.ChecksumSHA256,
			Parts: []holdfast.Part{{Number: 1, Size: int64(len(largeData)), Sum: sum}},
		}},
	}
}

func largeConfig(b *testing.B, bucket, region, key string) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "holdfast.yaml")
	var text strings.Builder
	fmt.Fprintf(&text, "broker: { url: https://backup.example.com, secret: ssm:/bench/secret }\nvaults: { main: { s3: { bucket: %s, region: %s }, price: 0.024 USD } }\n", bucket, region)
	fmt.Fprintf(&text, "hosts: { web1: { key: %q, jobs: ['job-*'] } }\njobs:\n", key)
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
