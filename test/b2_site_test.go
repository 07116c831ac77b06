package test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast/internal/testenv"
	"github.com/holdfast-backup/holdfast/internal/testenv/b2"
)

// newB2Site is newSite with a vault in a bucket of the stand-in of Backblaze B2. The
// bucket is looked into behind the stand-in, past its gate.
func newB2Site(t *testing.T, jobs string) *site {
	t.Helper()
	s, _ := b2Site(t, jobs)
	return s
}

// b2Site is newB2Site with the stand-in.
func b2Site(t *testing.T, jobs string) (*site, *b2.Server) {
	t.Helper()
	s, server := newSite(t, jobs), b2.New(t, testenv.Bucket{})
	t.Setenv("AWS_REGION", server.Region()) // which B2's own address would say
	s.bucket = &bucket{
		t: t, server: testenv.S3(t), client: server.Direct(), name: server.Bucket, endpoint: server.URL, prefix: "acme/",
		other: func(endpoint string) string {
			return fmt.Sprintf("{ b2: { bucket: %s, prefix: acme, key_id: file:b2.id, application_key: file:b2.key, api: %q } }", server.Bucket, endpoint)
		},
	}
	s.useB2Key(server.NewKey(t, "acme/", everyCapability...))
	return s, server
}

// everyCapability is what one key needs that does all.
var everyCapability = []string{"listBuckets", "listFiles", "readFiles", "shareFiles", "writeFiles", "deleteFiles"}

// useB2Key gives the site's programs a key, from their next start.
func (s *site) useB2Key(k b2.Key) {
	s.t.Helper()
	write(s.t, filepath.Join(s.dir, "b2.id"), k.ID, 0o600)
	write(s.t, filepath.Join(s.dir, "b2.key"), k.Secret, 0o600)
}

// TestAServerWhoseKeyCannotReadOrDeleteTakesBackups is what docs/b2.md says of a
// broker's key: it is enough for hosts, and the other commands say what they lack.
func TestAServerWhoseKeyCannotReadOrDeleteTakesBackups(t *testing.T) {
	s, server := b2Site(t, "  crm: {}\n")
	s.useB2Key(server.NewKey(t, "acme/", "listBuckets", "listFiles", "writeFiles"))
	h := s.addHost("web1", []string{"crm"}, random("crm", "20M", ""))
	s.start()
	s.want(h.pusher("run"), 0)
	s.want(h.pusher("run"), 0)
	if got := s.listed("crm"); len(got) != 2 {
		t.Fatalf("listed: %+v", got)
	}
	r := s.holdfast("verify", "crm@latest", "--identity", s.identity)
	if r.code == 0 || !strings.Contains(r.errOut, "needs the capability readFiles") {
		t.Errorf("verify: got %d, %s", r.code, r.errOut)
	}
	s.useB2Key(server.NewKey(t, "acme/", everyCapability...))
	s.restores("crm")
}
