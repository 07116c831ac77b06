package adopt_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/catalog"
	"github.com/holdfast-backup/holdfast/internal/testenv"
	"github.com/holdfast-backup/holdfast/internal/vault/adopt"
	"github.com/holdfast-backup/holdfast/internal/vault/conform"
	"github.com/holdfast-backup/holdfast/internal/vault/s3"
)

// A bucket that another program fills, on a real server.
func TestBucket(t *testing.T) {
	server := testenv.S3(t)
	bucket := server.NewBucket(t, testenv.Bucket{Versioned: true})
	client := server.Client()
	for _, name := range []string{
		"My App/2025-10-27-02-00-00.zip", "My App/2025-10-28-02-00-00.zip", "My App/2025-10-28-02-00-00.zip", // twice: two versions
		"My App/notes & more.txt", "backups/readme.txt",
	} {
		if _, err := client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: &bucket, Key: &name, Body: bytes.NewReader([]byte(name))}); err != nil {
			t.Fatal(err)
		}
	}
	own, err := s3.New(t.Context(), s3.Options{
		Bucket: bucket, Region: server.Region, Endpoint: server.URL, Store: preset(t),
		Credentials: credentials.NewStaticCredentialsProvider(server.AccessKey, server.SecretKey, ""),
	})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	v, err := adopt.New(own, adopt.Options{Entries: []adopt.Entry{deletable}, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	newest := holdfast.Ref{Host: "web1", Job: "crm", ID: idOf("My App", "20251028T020000Z")}

	// They have just been uploaded, so they do not count yet.
	job, err := catalog.Find(t.Context(), v, "web1", "crm")
	if err != nil || len(job.Backups) != 2 || job.Backups[0].Committed || job.Backups[0].Ref != newest {
		t.Fatalf("got %+v, %v", job, err)
	}
	if err := v.Delete(t.Context(), newest.ManifestKey()); !errors.Is(err, holdfast.ErrConflict) {
		t.Errorf("delete what may be written to: got %v", err)
	}
	now = now.Add(time.Hour)
	if job, err = catalog.Find(t.Context(), v, "web1", "crm"); err != nil || !job.Backups[0].Good(now) || len(job.Stray) > 0 {
		t.Fatalf("got %+v, %v", job, err)
	}

	if got, err := read(t.Context(), v, newest.Key("backup.zip"), 7, 10); got != "2025-10-28" || err != nil {
		t.Errorf("read: got %q, %v", got, err)
	}
	r, err := v.SignDownload(t.Context(), newest.Key("backup.zip"), "backup.zip", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.Get(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); string(body) != "My App/2025-10-28-02-00-00.zip" || err != nil {
		t.Errorf("download: got %q, %v", body, err)
	}

	for _, key := range []string{newest.ManifestKey(), newest.Key("backup.zip")} {
		if err := v.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	versions, err := client.ListObjectVersions(t.Context(), &awss3.ListObjectVersionsInput{Bucket: &bucket})
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, one := range versions.Versions {
		left = append(left, *one.Key)
	}
	if diff := cmp.Diff([]string{"My App/2025-10-27-02-00-00.zip", "My App/notes & more.txt", "backups/readme.txt"}, left); diff != "" || len(versions.DeleteMarkers) > 0 {
		t.Errorf("left (-want +got):\n%s and %d markers", diff, len(versions.DeleteMarkers))
	}
	for _, check := range conform.Checks() {
		if err := check.Run(t.Context(), conform.NewEnv(v, http.DefaultClient)); err != nil && !errors.Is(err, conform.ErrNotRunnable) {
			t.Errorf("%s: %v", check.Name, err)
		}
	}
	if _, ok := v.(holdfast.PageSigner); !ok {
		t.Error("it cannot show the status page any more")
	}
	if p, err := v.(holdfast.Posturer).Posture(t.Context()); p.Versioning != holdfast.On || err != nil {
		t.Errorf("posture: got %+v, %v", p, err)
	}
}

func preset(t *testing.T) s3.Store {
	t.Helper()
	store, err := s3.Preset("minio")
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// The other program thins out by itself, and deletes by name.
func TestHiddenFilesOfOthersAreNoNews(t *testing.T) {
	for _, c := range []struct {
		name   string
		hidden []string
		count  int
		want   int
	}{
		{"its own", []string{"backups/app/2025-10-28-02-00-00.zip"}, 1, 0},
		{"one of Holdfast's", []string{"backups/app/2025-10-28-02-00-00.zip", "backups/web1/crm/20251028T040000Z-9f3c2a7d/manifest.json"}, 2, 1},
		{"more than are named", []string{"backups/app/2025-10-28-02-00-00.zip"}, 9, 9},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, err := adopt.New(postured{newWorld(t).bucket, holdfast.Posture{Hidden: c.hidden, HiddenCount: c.count}}, adopt.Options{Entries: []adopt.Entry{spatie}})
			if err != nil {
				t.Fatal(err)
			}
			p, err := v.(holdfast.Posturer).Posture(t.Context())
			if p.HiddenCount != c.want || len(p.Hidden) != min(c.want, 1) || err != nil {
				t.Errorf("got %+v, %v", p, err)
			}
		})
	}
}

// postured is a bucket that says so of itself.
type postured struct {
	holdfast.Vault
	posture holdfast.Posture
}

func (p postured) Posture(context.Context) (holdfast.Posture, error) { return p.posture, nil }
