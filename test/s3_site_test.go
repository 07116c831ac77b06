package test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// bucket is a site's vault in a bucket of a real S3 server. It looks into the
// bucket with the server's own root user, past Holdfast and past every gate.
type bucket struct {
	t        *testing.T
	server   testenv.S3Server
	client   *s3.Client
	name     string
	endpoint string // as holdfast.yaml has it
	store    string // likewise
	prefix   string // of all names, with a slash at its end
	// other returns the vault in holdfast.yaml where it is of another kind than s3.
	other func(endpoint string) string
}

// newS3Site is newSite with a versioned bucket for a vault.
func newS3Site(t *testing.T, jobs string) *site {
	t.Helper()
	return newStoreSite(t, "aws", jobs)
}

// newStoreSite is newS3Site with what Holdfast knows of a kind of store.
func newStoreSite(t *testing.T, store, jobs string) *site {
	t.Helper()
	s, server := newSite(t, jobs), testenv.S3(t)
	s.bucket = &bucket{
		t: t, server: server, client: server.Client(), name: server.NewBucket(t, testenv.Bucket{Versioned: true}),
		endpoint: server.URL, store: store,
	}
	write(t, filepath.Join(s.dir, "access.key"), server.AccessKey, 0o600)
	write(t, filepath.Join(s.dir, "secret.key"), server.SecretKey, 0o600)
	return s
}

// onEveryVault runs a test once for each kind of vault.
func onEveryVault(t *testing.T, test func(t *testing.T, newSite func(t *testing.T, jobs string) *site)) {
	t.Helper()
	t.Run("disk", func(t *testing.T) { test(t, newSite) })
	t.Run("s3", func(t *testing.T) { test(t, newS3Site) })
	t.Run("b2", func(t *testing.T) { test(t, newB2Site) })
}

// yaml is the vault in holdfast.yaml.
func (b *bucket) yaml() string {
	if b.other != nil {
		return b.other(b.endpoint)
	}
	return fmt.Sprintf("{ s3: { bucket: %s, region: %s, store: %s, endpoint: %q, path_style: true, access_key: file:access.key, secret_key: file:secret.key } }",
		b.name, b.server.Region, b.store, b.endpoint)
}

// stored returns a fingerprint of everything below backups/, by what follows that.
func (b *bucket) stored() map[string]string {
	b.t.Helper()
	all := map[string]string{}
	for key, sum := range b.everything() {
		if path, ok := strings.CutPrefix(key, b.prefix+"backups/"); ok {
			all["/"+path] = sum
		}
	}
	return all
}

// everything returns a fingerprint of each key: of all of its versions and
// markers, what they hold and what is said of them; and of each unfinished
// upload, under its id, of its parts.
func (b *bucket) everything() map[string]string {
	b.t.Helper()
	all := map[string]string{}
	pages := s3.NewListObjectVersionsPaginator(b.client, &s3.ListObjectVersionsInput{Bucket: &b.name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(b.t.Context())
		must(b.t, err)
		for _, v := range page.Versions {
			all[*v.Key] += b.version(v)
		}
		for _, m := range page.DeleteMarkers {
			all[*m.Key] += fmt.Sprintf("marker %s latest %t\n", aws.ToString(m.VersionId), aws.ToBool(m.IsLatest))
		}
	}
	for _, u := range b.unfinished() {
		all["upload "+*u.UploadId] = *u.Key + "\n"
	}
	for part, sum := range b.parts() {
		id, _, _ := strings.Cut(part, " ")
		all["upload "+id] += part + " " + sum + "\n"
	}
	return all
}

// version returns all that there is to know of one version of an object.
func (b *bucket) version(v types.ObjectVersion) string {
	b.t.Helper()
	id := v.VersionId
	if aws.ToString(id) == "null" {
		id = nil
	}
	got, err := b.client.GetObject(b.t.Context(), &s3.GetObjectInput{Bucket: &b.name, Key: v.Key, VersionId: id})
	must(b.t, err)
	defer got.Body.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, got.Body)
	must(b.t, err)
	return fmt.Sprintf("version %s latest %t etag %s sha256 %s class %q type %q encoding %q disposition %q cache %q expires %q meta %v tags %d lock %q hold %q\n",
		aws.ToString(v.VersionId), aws.ToBool(v.IsLatest), aws.ToString(v.ETag), hex.EncodeToString(sum.Sum(nil)), got.StorageClass,
		aws.ToString(got.ContentType), aws.ToString(got.ContentEncoding), aws.ToString(got.ContentDisposition), aws.ToString(got.CacheControl),
		aws.ToString(got.ExpiresString), got.Metadata, aws.ToInt32(got.TagCount), got.ObjectLockMode, got.ObjectLockLegalHoldStatus)
}

// object returns what is said of the present version of a key.
func (b *bucket) object(key string) string {
	b.t.Helper()
	for _, sum := range strings.SplitAfter(b.everything()[key], "\n") {
		if strings.Contains(sum, "latest true") {
			return sum
		}
	}
	b.t.Fatalf("the bucket has no %s", key)
	return ""
}

func (b *bucket) unfinished() []types.MultipartUpload {
	b.t.Helper()
	var all []types.MultipartUpload
	pages := s3.NewListMultipartUploadsPaginator(b.client, &s3.ListMultipartUploadsInput{Bucket: &b.name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(b.t.Context())
		must(b.t, err)
		all = append(all, page.Uploads...)
	}
	return all
}

// uploads returns the keys of the unfinished uploads.
func (b *bucket) uploads() []string {
	b.t.Helper()
	var keys []string
	for _, u := range b.unfinished() {
		keys = append(keys, *u.Key)
	}
	return keys
}

// parts returns what the unfinished uploads have received: the size, ETag and
// checksum of each part, by upload and number.
func (b *bucket) parts() map[string]string {
	b.t.Helper()
	all := map[string]string{}
	for _, u := range b.unfinished() {
		pages := s3.NewListPartsPaginator(b.client, &s3.ListPartsInput{Bucket: &b.name, Key: u.Key, UploadId: u.UploadId})
		for pages.HasMorePages() {
			page, err := pages.NextPage(b.t.Context())
			var gone *types.NoSuchUpload
			if errors.As(err, &gone) {
				break // finished or aborted since it was listed
			}
			must(b.t, err)
			for _, p := range page.Parts {
				all[fmt.Sprintf("%s %d", *u.UploadId, aws.ToInt32(p.PartNumber))] =
					fmt.Sprintf("%d %s %s", aws.ToInt64(p.Size), aws.ToString(p.ETag), aws.ToString(p.ChecksumSHA256))
			}
		}
	}
	return all
}

// keys returns the present keys that begin with prefix, in order.
func (b *bucket) keys(prefix string) []string {
	b.t.Helper()
	var keys []string
	pages := s3.NewListObjectsV2Paginator(b.client, &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(b.t.Context())
		must(b.t, err)
		for _, o := range page.Contents {
			keys = append(keys, *o.Key)
		}
	}
	return keys
}

// reports returns the reports of a job, oldest first.
func (b *bucket) reports(job string) []string {
	b.t.Helper()
	var texts []string
	for _, key := range b.keys(b.prefix + "reports/") {
		if !strings.Contains(key, "/"+job+"/") {
			continue
		}
		got, err := b.client.GetObject(b.t.Context(), &s3.GetObjectInput{Bucket: &b.name, Key: &key})
		must(b.t, err)
		text, err := io.ReadAll(got.Body)
		must(b.t, errors.Join(err, got.Body.Close()))
		texts = append(texts, string(text))
	}
	return texts
}

// same fails the test unless the whole bucket, every version and every upload, is
// as it was. What has changed is told once: before becomes what there is now.
func (b *bucket) same(t *testing.T, before map[string]string) {
	t.Helper()
	now := b.everything()
	for _, key := range slices.Sorted(maps.Keys(before)) {
		if now[key] != before[key] {
			t.Errorf("%s changed\nwas: %s\nis: %s", key, before[key], now[key])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(now)) {
		if _, old := before[key]; !old {
			t.Errorf("%s was added\nis: %s", key, now[key])
		}
	}
	clear(before)
	maps.Copy(before, now)
}
