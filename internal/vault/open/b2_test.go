package open_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/testenv"
	"github.com/holdfast-backup/holdfast/internal/testenv/b2"
	"github.com/holdfast-backup/holdfast/internal/vault/conform"
	"github.com/holdfast-backup/holdfast/internal/vault/open"
)

func TestOpenB2(t *testing.T) {
	s := b2.New(t, testenv.Bucket{})
	t.Setenv("AWS_REGION", s.Region())
	k := s.NewKey(t, "acme/", "listBuckets", "listFiles", "readFiles", "shareFiles", "writeFiles", "deleteFiles")
	t.Setenv("TEST_KEY_ID", k.ID)
	secrets := func(ctx context.Context, ref secret.Ref) (secret.Secret, error) {
		if ref == "ssm:/acme/b2" {
			return secret.New(k.Secret), nil
		}
		return secret.Local(ctx, ref)
	}
	c := config.Vault{B2: &config.B2{Bucket: s.Bucket, Prefix: "acme", KeyID: "env:TEST_KEY_ID", Key: "ssm:/acme/b2", API: s.URL}}
	v, err := open.Open(t.Context(), c, open.Options{Secrets: secrets})
	if err != nil {
		t.Fatal(err)
	}
	if got := v.UploadLimits(); got != (holdfast.UploadLimits{MaxParts: 10000, Checksum: holdfast.ChecksumMD5}) {
		t.Errorf("limits %+v", got)
	}
	for _, check := range conform.Checks() {
		if check.Name == "upload-parts" || check.Name == "delete-batch" || check.Name == "state" || check.Name == "download" {
			if err := check.Run(t.Context(), conform.NewEnv(v, http.DefaultClient)); err != nil {
				t.Errorf("%s: %v", check.Name, err)
			}
		}
	}
	for name, bad := range map[string]config.B2{
		"an id that is not there": {Bucket: s.Bucket, KeyID: "env:TEST_THERE_IS_NONE", Key: "env:TEST_KEY_ID"},
		"a key that is not there": {Bucket: s.Bucket, KeyID: "env:TEST_KEY_ID", Key: "env:TEST_THERE_IS_NONE"},
	} {
		if v, err := open.Open(t.Context(), config.Vault{B2: &bad}, open.Options{}); err == nil || v != nil {
			t.Errorf("%s: got %v, %v", name, v, err)
		}
	}
}
