package function

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/alert/open"
	"github.com/holdfast-backup/holdfast/internal/awsenv"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/testenv"
	"github.com/holdfast-backup/holdfast/internal/token"
)

const brokerURL = "https://backup.example"

// world is what functions run in: a real S3 server, a configuration in a file,
// and a clock that can be moved ahead.
type world struct {
	t      *testing.T
	s3     testenv.S3Server
	bucket string
	config string // path of holdfast.yaml
	// What the configuration says.
	secret, oldSecret string // where the broker's are
	vaults            string // lines below vaults:
	hosts, jobs       string

	mu      sync.Mutex
	ahead   time.Duration
	log     bytes.Buffer
	metrics bytes.Buffer
}

// newWorld makes a world with a vault "main" without backups, and the hosts web1
// (crm, media) and db1 (crm).
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, s3: testenv.S3(t), secret: "env:BROKER_SECRET"}
	w.bucket = w.s3.NewBucket(t, testenv.Bucket{Versioned: true})
	t.Setenv("BROKER_SECRET", strings.Repeat("secret-of-the-broker-", 2))
	t.Setenv("S3_ID", w.s3.AccessKey)
	t.Setenv("S3_KEY", w.s3.SecretKey)
	w.config = filepath.Join(t.TempDir(), "holdfast.yaml")
	w.vaults = w.vault("main", w.bucket, "")
	w.hosts = host("web1", "[crm, media]") + host("db1", "[crm]")
	w.jobs = "  crm: { expect: { every: 1h, grace: 1h } }\n"
	w.write()
	return w
}

func host(name, jobs string) string {
	return fmt.Sprintf("  %s: { key: %q, jobs: %s }\n", name, holdfast.FormatPublicKey(publicOf(name)), jobs)
}

// vault returns the lines of a vault in a bucket of the server.
func (w *world) vault(name, bucket, prefix string) string {
	return fmt.Sprintf("  %s: { s3: { bucket: %s, prefix: %q, region: %s, endpoint: %q, store: minio, access_key: env:S3_ID, secret_key: env:S3_KEY } }\n",
		name, bucket, prefix, w.s3.Region, w.s3.URL)
}

// write writes holdfast.yaml.
func (w *world) write() {
	w.t.Helper()
	old := ""
	if w.oldSecret != "" {
		old = "\n  old_secret: " + w.oldSecret
	}
	w.writeText(fmt.Sprintf("broker:\n  url: %s\n  secret: %s%s\nvaults:\n%shosts:\n%soperators:\n  ops: { key: %q }\njobs:\n%s",
		brokerURL, w.secret, old, w.vaults, w.hosts, holdfast.FormatPublicKey(publicOf("ops")), w.jobs))
}

func (w *world) writeText(text string) {
	w.t.Helper()
	if err := os.WriteFile(w.config, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.ahead)
}

// wait moves the clock.
func (w *world) wait(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ahead += d
}

// openChannels is how the monitor's program has its channels.
func openChannels(ctx context.Context, channels map[string]config.Channel, secrets secret.Resolver, now func() time.Time) (map[string]holdfast.Channel, map[string]error) {
	return open.Open(ctx, channels, open.Options{Secrets: secrets, Now: now})
}

// env is what a function runs in; several can share it.
func (w *world) env() Env {
	log := slog.New(slog.NewJSONHandler(&lockedBuffer{w: w, b: &w.log}, nil))
	return Env{
		Config: w.config, Deployment: "acme", Version: "test", Now: w.now,
		Log: log, Metrics: &lockedBuffer{w: w, b: &w.metrics}, AWS: awsenv.New(w.now, log),
	}
}

type lockedBuffer struct {
	w *world
	b *bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	return l.b.Write(p)
}

// logged returns the lines of the log that have all of the words, and forgets
// all that was logged so far.
func (w *world) logged(words ...string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var lines []string
	for line := range strings.Lines(w.log.String()) {
		has := true
		for _, word := range words {
			has = has && strings.Contains(line, word)
		}
		if has {
			lines = append(lines, line)
		}
	}
	w.log.Reset()
	return lines
}

// measured returns the metrics of a dimension's value, and of all else that was
// put since the last time whether there was any.
func (w *world) measured(dimension, value string) map[string]float64 {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	got := map[string]float64{}
	for _, line := range testenv.ParseEMF(w.t, w.metrics.String()) {
		if line.Namespace != "Holdfast" || line.Dimensions["Deployment"] != "acme" || len(line.Dimensions) != 2 {
			w.t.Errorf("namespace %q, dimensions %v", line.Namespace, line.Dimensions)
		}
		if line.Dimensions[dimension] == value {
			for name, figure := range line.Metrics {
				got[name] += figure
			}
		}
	}
	return got
}

// forget forgets the metrics so far.
func (w *world) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.metrics.Reset()
}

// put stores an object in the bucket, as nobody's function would.
func (w *world) put(bucket, key, body string) {
	w.t.Helper()
	_, err := w.s3.Client().PutObject(w.t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(body)})
	if err != nil {
		w.t.Fatal(err)
	}
}

// stored returns the keys in a bucket.
func (w *world) stored(bucket string) []string {
	w.t.Helper()
	var keys []string
	pages := s3.NewListObjectsV2Paginator(w.s3.Client(), &s3.ListObjectsV2Input{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		for _, o := range page.Contents {
			keys = append(keys, *o.Key)
		}
	}
	return keys
}

// kept returns the keys of what is stored, but for the state.
func (w *world) kept(bucket string) []string {
	w.t.Helper()
	return slices.DeleteFunc(w.stored(bucket), func(key string) bool { return strings.Contains(key, holdfast.StatePrefix) })
}

// backup stores a whole backup of that age with a signed manifest, and returns it.
func (w *world) backup(bucket, prefix, host, job string, age time.Duration) holdfast.Ref {
	w.t.Helper()
	id, err := holdfast.NewID(w.now().Add(-age), strings.NewReader(fmt.Sprintf("%4d", len(w.stored(bucket)))))
	if err != nil {
		w.t.Fatal(err)
	}
	m := manifest(holdfast.Ref{Host: host, Job: job, ID: id})
	doc, err := token.SignManifest(keyOf(host), m)
	if err != nil {
		w.t.Fatal(err)
	}
	w.put(bucket, prefix+m.Key(m.Streams[0].File), data)
	w.put(bucket, prefix+m.ManifestKey(), string(doc))
	return m.Ref
}

// report stores the report of a failed run now, and returns its key.
func (w *world) report(bucket, prefix, host, job, reason string) string {
	w.t.Helper()
	id, err := holdfast.NewID(w.now(), strings.NewReader("abcd"))
	if err != nil {
		w.t.Fatal(err)
	}
	body, err := json.Marshal(holdfast.Report{Kind: holdfast.ReportFailure, Host: host, Job: job, ID: id, Error: reason})
	if err != nil {
		w.t.Fatal(err)
	}
	key := prefix + holdfast.ReportKey(host, job, id)
	w.put(bucket, key, string(body))
	return key
}

// data is what every backup holds.
const data = "twenty bytes of data"

// manifest fits a backup with data in one part.
func manifest(ref holdfast.Ref) holdfast.Manifest {
	return holdfast.Manifest{
		Format: holdfast.ManifestFormat, Ref: ref, Started: ref.ID.Time(),
		HostStarted: ref.ID.Time(), HostFinished: ref.ID.Time(), Pusher: "test",
		Streams: []holdfast.Stream{{
			Name: "crm", File: "crm.sql.zst.age", PlainFile: "crm.sql", PlainSize: 40, PlainSHA256: sum("plain"),
			StoredSize: int64(len(data)), StoredSHA256: sum(data), Compression: "zstd", Encryption: holdfast.Encryption{Format: "age"},
			Checksum: holdfast.ChecksumSHA256, Parts: []holdfast.Part{{Number: 1, Size: int64(len(data)), Sum: sum(data)}},
		}},
	}
}

func sum(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }

func keyOf(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func publicOf(name string) ed25519.PublicKey { return keyOf(name).Public().(ed25519.PublicKey) }

// event returns one of the events in testdata with texts replaced, old and new
// in turns.
func event(t *testing.T, file string, replace ...string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	return []byte(strings.NewReplacer(replace...).Replace(string(text)))
}

// invoke calls a function with a deadline, as Lambda does.
func (w *world) invoke(h Handler, event []byte) (any, error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	return h(ctx, event)
}
