package test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/holdfast-backup/holdfast/internal/testenv"
	"github.com/holdfast-backup/holdfast/internal/testenv/b2"
)

// newB2Site is newSite with a vault in a bucket of the stand-in of Backblaze B2. The
// bucket is looked into behind the stand-in, past its gate.
func newB2Site(t *testing.T, jobs string) *site {
	t.Helper()
	server := b2.New(t, testenv.Bucket{})
	t.Setenv("AWS_REGION", server.Region()) // which B2's own address would say
	key := server.NewKey(t, "acme/", "listBuckets", "listFiles", "readFiles", "shareFiles", "writeFiles", "deleteFiles")
	s := newSite(t, jobs)
	s.bucket = &bucket{
		t: t, server: testenv.S3(t), client: server.Direct(), name: server.Bucket, endpoint: server.URL, prefix: "acme/",
		other: func(endpoint string) string {
			return fmt.Sprintf("{ b2: { bucket: %s, prefix: acme, key_id: file:b2.id, application_key: file:b2.key, api: %q } }", server.Bucket, endpoint)
		},
	}
	write(t, filepath.Join(s.dir, "b2.id"), key.ID, 0o600)
	write(t, filepath.Join(s.dir, "b2.key"), key.Secret, 0o600)
	return s
}
