package fill

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/testenv"
	"github.com/holdfast-backup/holdfast/internal/token"
	"github.com/holdfast-backup/holdfast/internal/vault/disk"
	"github.com/holdfast-backup/holdfast/internal/vault/mem"
	"github.com/holdfast-backup/holdfast/internal/vault/s3"
	"github.com/holdfast-backup/holdfast/internal/vault/sftp"
)

var noon = time.Date(2025, 10, 28, 12, 0, 0, 0, time.UTC)

func hostKey(host string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(host))
	return ed25519.NewKeyFromSeed(seed[:])
}

func keysOf(host string) ([]ed25519.PublicKey, error) {
	return []ed25519.PublicKey{hostKey(host).Public().(ed25519.PublicKey)}, nil
}

func options() Options {
	return Options{HostKeys: keysOf, Now: func() time.Time { return noon }, wait: func(context.Context, time.Duration) error { return nil }}
}

// target and source in one: what every backend is.
type vault interface {
	Source
	Target
	holdfast.UploadLister
}

func memory() *mem.Vault { return mem.New(func() time.Time { return noon }, "") }

// signing is a vault in memory that receives nothing by itself, only through
// requests that it signs.
func signing(t *testing.T) vault {
	v := memory()
	server := httptest.NewServer(v.Handler())
	t.Cleanup(server.Close)
	v.SetBaseURL(server.URL)
	return struct{ holdfast.Vault }{v}
}

// backends are the vaults to copy from and to, of every way to send.
var backends = map[string]func(t *testing.T) vault{
	"mem":     func(*testing.T) vault { return memory() },
	"signing": signing,
	"disk": func(t *testing.T) vault {
		v, err := disk.New(t.TempDir(), disk.Options{})
		must(t, err)
		t.Cleanup(func() { v.Close() })
		return v
	},
	"sftp": func(t *testing.T) vault { return overSSH(t, testenv.SSHDOptions{}) },
	"s3": func(t *testing.T) vault {
		server := testenv.S3(t)
		store, err := s3.Preset("aws")
		must(t, err)
		store.PathStyle = true
		v, err := s3.New(t.Context(), s3.Options{
			Bucket: server.NewBucket(t, testenv.Bucket{Versioned: true}), Region: server.Region, Endpoint: server.URL, Store: store,
			Credentials: credentials.NewStaticCredentialsProvider(server.AccessKey, server.SecretKey, ""),
		})
		must(t, err)
		return v
	},
}

// overSSH is a directory on a real OpenSSH server.
func overSSH(t *testing.T, o testenv.SSHDOptions) vault {
	return dial(t, testenv.StartSSHD(t, o))
}

func dial(t *testing.T, server *testenv.SSHD) vault {
	v, err := sftp.New(sftp.Options{
		Host: server.Host, Port: server.Port, User: server.User, Path: server.Path, Key: secret.New(server.Key),
		HostKeys: []string{server.Fingerprint}, Create: true,
	})
	must(t, err)
	t.Cleanup(func() { v.Close() })
	return v
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// putter adds objects of any size, as a test does.
func put(t testing.TB, v Target, key string, body []byte) {
	t.Helper()
	if len(body) < 64<<10 {
		must(t, v.Put(t.Context(), key, body))
		return
	}
	o := options().withDefaults()
	c := copier{Options: o, to: v}
	u, err := v.StartUpload(t.Context(), key)
	must(t, err)
	parts, err := c.send(t.Context(), u, v.UploadLimits(), bytes.NewReader(body), int64(len(body)))
	must(t, err)
	must(t, v.CompleteUpload(t.Context(), u, parts, int64(len(body))))
}

// content returns size bytes that compress to nothing less, the same for the same name.
func content(name string, size int) []byte {
	b := make([]byte, size)
	r := rand.NewChaCha8(sha256.Sum256([]byte(name)))
	_, _ = r.Read(b)
	return b
}

func refOf(job string, day int) holdfast.Ref {
	return holdfast.Ref{Host: "web1", Job: job, ID: holdfast.ID(fmt.Sprintf("202510%02dT030000Z-0000000%d", day, day%10))}
}

// backup puts a backup of the streams' sizes into v, with its manifest last.
func backup(t testing.TB, v Target, ref holdfast.Ref, sizes ...int) {
	t.Helper()
	m := manifest(ref, sizes...)
	for _, s := range m.Streams {
		put(t, v, ref.Key(s.File), content(ref.Key(s.File), int(s.StoredSize)))
	}
	doc, err := token.SignManifest(hostKey(ref.Host), m)
	must(t, err)
	put(t, v, ref.ManifestKey(), doc)
}

func manifest(ref holdfast.Ref, sizes ...int) holdfast.Manifest {
	m := holdfast.Manifest{Format: holdfast.ManifestFormat, Ref: ref, Started: ref.ID.Time(), Restore: []string{"by hand"}}
	for i, size := range sizes {
		name := fmt.Sprintf("s%d", i)
		stored := content(ref.Key(name+".sql.zst"), size)
		sum := sha256.Sum256(stored)
		s := holdfast.Stream{
			Name: name, File: name + ".sql.zst", PlainFile: name + ".sql", PlainSize: int64(size), PlainSHA256: hex.EncodeToString(sum[:]),
			StoredSize: int64(size), StoredSHA256: hex.EncodeToString(sum[:]),
			Compression: "zstd", Encryption: holdfast.Encryption{Format: "none"}, Checksum: holdfast.ChecksumSHA256,
		}
		for n := 1; len(stored) > 0; n++ {
			part := stored[:min(holdfast.PartSize(n, holdfast.MaxParts), int64(len(stored)))]
			partSum := sha256.Sum256(part)
			s.Parts = append(s.Parts, holdfast.Part{Number: n, Size: int64(len(part)), Sum: hex.EncodeToString(partSum[:])})
			stored = stored[len(part):]
		}
		m.Streams = append(m.Streams, s)
	}
	return m
}

// objects returns the SHA-256 of everything in the vault, by key.
func objects(t testing.TB, v Source) map[string]string {
	t.Helper()
	all := map[string]string{}
	for o, err := range v.List(t.Context(), "") {
		must(t, err)
		r, err := v.Open(t.Context(), o.Key, 0, -1)
		must(t, err)
		sum := sha256.New()
		_, err = io.Copy(sum, r)
		must(t, err)
		must(t, r.Close())
		all[o.Key] = hex.EncodeToString(sum.Sum(nil))
	}
	return all
}

// uploads returns how many uploads the vault has that are not finished.
func uploads(t testing.TB, v holdfast.UploadLister) int {
	t.Helper()
	n := 0
	for _, err := range v.ListUploads(t.Context(), holdfast.BackupsPrefix) {
		must(t, err)
		n++
	}
	return n
}

func refs(copied []Copied) []string {
	var all []string
	for _, c := range copied {
		all = append(all, c.Ref.String())
	}
	return all
}

func failures(failed []Failed) string {
	var all []string
	for _, f := range failed {
		all = append(all, f.Ref.String()+": "+f.Error)
	}
	return strings.Join(all, "\n")
}

func equal(t testing.TB, what string, want, got map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: want - got +\n%s", what, diff)
	}
}

func without(all map[string]string, part string) map[string]string {
	rest := maps.Clone(all)
	maps.DeleteFunc(rest, func(key, _ string) bool { return strings.Contains(key, part) })
	return rest
}

// zeroesSum returns the SHA-256 of so many zero bytes.
func zeroesSum(size int64) string {
	sum := sha256.New()
	_, _ = io.Copy(sum, io.LimitReader(zeroes{}, size))
	return hex.EncodeToString(sum.Sum(nil))
}

func names(m map[string]func(*testing.T) vault) []string { return slices.Sorted(maps.Keys(m)) }
