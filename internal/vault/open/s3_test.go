package open_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/testenv"
	"github.com/holdfast-backup/holdfast/internal/vault/conform"
	"github.com/holdfast-backup/holdfast/internal/vault/open"
)

// configured returns the vault of a holdfast.yaml with these lines below s3.
func configured(t *testing.T, lines ...string) config.Vault {
	t.Helper()
	document := "vaults:\n  main:\n    s3:\n      " + strings.Join(lines, "\n      ") + "\nhosts: {}\n"
	c, err := config.ParseHoldfast("holdfast.yaml", []byte(document))
	if err != nil {
		t.Fatalf("%v\n%s", err, document)
	}
	return c.Vaults["main"]
}

func TestOpenS3(t *testing.T) {
	server := testenv.S3(t)
	t.Setenv("TEST_ACCESS_KEY", server.AccessKey)
	secrets := func(ctx context.Context, ref secret.Ref) (secret.Secret, error) {
		if ref == "ssm:/acme/s3" {
			return secret.New(server.SecretKey), nil
		}
		return secret.Local(ctx, ref)
	}
	for _, store := range []string{"other", "minio"} {
		bucket := server.NewBucket(t, testenv.Bucket{Versioned: true})
		c := configured(t, "bucket: "+bucket, "prefix: acme/backups", "region: "+server.Region, "endpoint: "+server.URL, "store: "+store,
			"access_key: env:TEST_ACCESS_KEY", "secret_key: ssm:/acme/s3")
		v, err := open.Open(t.Context(), c, open.Options{Secrets: secrets})
		if err != nil {
			t.Fatal(err)
		}
		for _, check := range conform.Checks() {
			if check.Name == "upload-parts" || check.Name == "delete-batch" || check.Name == "state" {
				if err := check.Run(t.Context(), conform.NewEnv(v, http.DefaultClient)); err != nil {
					t.Errorf("%s: %s: %v", store, check.Name, err)
				}
			}
		}
		want := map[string]string{"other": holdfast.ChecksumMD5, "minio": holdfast.ChecksumSHA256}[store]
		if got := v.UploadLimits(); got != (holdfast.UploadLimits{MaxParts: 10000, Checksum: want}) {
			t.Errorf("%s: limits %+v", store, got)
		}
	}
}

func TestOpenS3AsConfigured(t *testing.T) {
	server := testenv.S3(t)
	t.Setenv("AWS_ACCESS_KEY_ID", server.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", server.SecretKey)
	t.Setenv("AWS_ENDPOINT_URL_S3", server.URL)
	t.Setenv("AWS_REGION", server.Region)
	now := time.Now().Add(-time.Hour)
	bucket := server.NewBucket(t, testenv.Bucket{Locked: true})
	c := configured(t, "bucket: "+bucket, "path_style: true", "checksum: md5", "max_parts: 500", "conditional_writes: false",
		"batch_delete: false", "lock: { mode: governance, for: 2d }")
	v, err := open.Open(t.Context(), c, open.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	if got := v.UploadLimits(); got != (holdfast.UploadLimits{MaxParts: 500, Checksum: holdfast.ChecksumMD5}) {
		t.Errorf("limits %+v", got)
	}
	if err := v.Put(t.Context(), "backups/web1/crm/1/manifest.json", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	retention, err := server.Client().GetObjectRetention(t.Context(), retentionOf(bucket, "backups/web1/crm/1/manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	if left := retention.Retention.RetainUntilDate.Sub(now); retention.Retention.Mode != "GOVERNANCE" || left < 47*time.Hour || left > 49*time.Hour {
		t.Errorf("locked for %s with %s", left, retention.Retention.Mode)
	}
	r, err := v.SignDownload(t.Context(), "backups/web1/crm/1/manifest.json", "manifest.json", 2*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(r.URL, fmt.Sprintf("%s/%s/backups/", server.URL, bucket)) || !r.Expires.Before(time.Now().Add(61*time.Minute)) {
		t.Errorf("signed %.60s… until %s", r.URL, r.Expires)
	}
}

func TestOpenS3Refuses(t *testing.T) {
	t.Setenv("TEST_ACCESS_KEY", "id")
	for name, lines := range map[string][]string{
		"a secret that is not there": {"bucket: acme", "region: eu-west-3", "access_key: env:TEST_ACCESS_KEY", "secret_key: env:TEST_THERE_IS_NONE"},
		"one that can't be reached":  {"bucket: acme", "region: eu-west-3", "access_key: ssm:/a", "secret_key: env:TEST_ACCESS_KEY"},
	} {
		v, err := open.Open(t.Context(), configured(t, lines...), open.Options{})
		if err == nil || v != nil {
			t.Errorf("%s: got %v, %v", name, v, err)
		}
	}
}

func retentionOf(bucket, key string) *s3.GetObjectRetentionInput {
	return &s3.GetObjectRetentionInput{Bucket: &bucket, Key: &key}
}
