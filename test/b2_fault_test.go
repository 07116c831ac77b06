package test

import (
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/holdfast-backup/holdfast/internal/testenv/b2"
)

// b2Key makes a key for a role with `holdfast key b2`, as docs/b2.md says, and has
// the site's programs use it.
func (s *site) b2Key(server *b2.Server, role string) {
	s.t.Helper()
	out := filepath.Join(s.dir, "made-"+role)
	s.want(s.program("holdfast", []string{"B2_APPLICATION_KEY_ID=" + server.Master.ID, "B2_APPLICATION_KEY=" + server.Master.Secret}, "",
		"key", "b2", "--bucket", server.Bucket, "--prefix", "acme", "--for", role, "--api", server.URL, "--out", out), 0)
	write(s.t, filepath.Join(s.dir, "b2.id"), read(s.t, out+".id"), 0o600)
	write(s.t, filepath.Join(s.dir, "b2.key"), read(s.t, out+".key"), 0o600)
}

func TestB2BrokersLeastKeyAddsAndNeitherReadsNorDeletes(t *testing.T) {
	s, server := b2Site(t, "  crm: { keep: { last: 1 } }\n")
	s.b2Key(server, "broker")
	h := s.addHost("web1", []string{"crm"}, random("crm", "9M", ""))
	s.start()
	for range 4 {
		s.want(h.pusher("run"), 0)
	}
	before := s.bucket.stored()
	for _, args := range [][]string{{"verify", "crm", "--identity", s.identity}, {"restore", "crm", "--to", t.TempDir(), "--identity", s.identity}} {
		if r := s.holdfast(args...); r.code == 0 || !strings.Contains(r.errOut, "readFiles") {
			t.Errorf("%s: got %d, %s", args[0], r.code, r.errOut)
		}
	}
	if r := s.inThreeDays("clean"); r.code == 0 {
		t.Errorf("clean: got %d, %s%s", r.code, r.out, r.errOut)
	}
	for path, sum := range before {
		if s.bucket.stored()[path] != sum {
			t.Errorf("%s was changed or is gone", path)
		}
	}
	s.stop()
	s.b2Key(server, "restore")
	s.committed("crm", 4)
	s.b2Key(server, "retention")
	s.want(s.holdfast("clean", "--force"), 0) // so many in a minute are not believed
	if left := len(s.listed("crm")); left >= 4 {
		t.Errorf("%d backups are left, want fewer", left)
	}
	s.restores("crm")
}

func TestB2StoreThatIsBusyForAWhileCostsNoBackup(t *testing.T) {
	s, server := b2Site(t, "  crm: {}\n")
	h := s.addHost("web1", []string{"crm"}, random("crm", "20M", ""))
	s.start()
	var struck atomic.Int64
	server.FailWith(func(op string, _ *http.Request) *b2.Fault {
		if struck.Add(1)%2 == 1 && struck.Load() < 30 {
			return &b2.Fault{Status: 503, Code: "service_unavailable", Message: "so the test wants it", RetryAfter: 1}
		}
		return nil
	})
	s.want(h.pusher("run"), 0)
	server.FailWith(nil)
	if struck.Load() < 5 {
		t.Errorf("%d calls were made", struck.Load())
	}
	s.committed("crm", 1)
	s.swept()
}

// The account's cap is reached at one kind of call or another.
func TestB2CapThatIsExceededLeavesNoHalfBackup(t *testing.T) {
	for _, calls := range [][]string{
		{"s3:CreateMultipartUpload", "b2_start_large_file"}, {"s3:UploadPart"}, {"s3:CompleteMultipartUpload", "b2_finish_large_file"},
		{"s3:PutObject", "b2_upload_file", "b2_get_upload_url"},
	} {
		t.Run(calls[0], func(t *testing.T) {
			s, server := b2Site(t, "  crm: {}\n")
			h := s.addHost("web1", []string{"crm"}, random("crm", "9M", "    timeout: 3s\n"))
			s.start()
			s.want(h.pusher("run"), 0)
			var struck atomic.Int64
			server.FailWith(func(op string, _ *http.Request) *b2.Fault {
				if !slices.Contains(calls, op) {
					return nil
				}
				struck.Add(1)
				return &b2.Fault{Status: 403, Code: "cap_exceeded", Message: "Usage cap exceeded."}
			})
			s.want(h.pusher("run"), 1)
			if struck.Load() == 0 {
				t.Errorf("none of %v was called: %v", calls, server.Calls())
			}
			s.committed("crm", 1)
			server.FailWith(nil)
			s.want(h.pusher("run"), 0)
			s.committed("crm", 2)
			s.stop()
			s.b2Key(server, "retention")
			s.swept()
			s.b2Key(server, "all")
			s.committed("crm", 2)
		})
	}
}
