package test

import (
	"bytes"
	"crypto/rand"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/api"
)

// whole fails the test unless every manifest in the bucket has its data, and
// returns how many backups there are and how many data objects without a manifest.
func (b *bucket) whole(t *testing.T) (backups, orphans int) {
	t.Helper()
	data := map[string]bool{}
	keys := b.keys("backups/")
	for _, key := range keys {
		if dir, file := key[:strings.LastIndex(key, "/")], key[strings.LastIndex(key, "/")+1:]; file != holdfast.ManifestFile {
			data[dir] = true
		}
	}
	for _, key := range keys {
		dir, file := key[:strings.LastIndex(key, "/")], key[strings.LastIndex(key, "/")+1:]
		if file != holdfast.ManifestFile {
			continue
		}
		backups++
		if !data[dir] {
			t.Errorf("%s has no data any more", key)
		}
		delete(data, dir)
	}
	return backups, len(data)
}

// spares acts as a store that deletes all but the first of the keys, and says of
// that one why.
func spares(code string) strike {
	return func(g *gate, w http.ResponseWriter, r *http.Request) {
		var asked struct {
			Object []struct{ Key, VersionId string }
		}
		if err := xml.NewDecoder(r.Body).Decode(&asked); err != nil || len(asked.Object) == 0 {
			g.t.Errorf("a deletion of nothing: %v", err)
			return
		}
		answer := "<DeleteResult>"
		for i, o := range asked.Object {
			if i == 0 {
				answer += fmt.Sprintf("<Error><Key>%s</Key><VersionId>%s</VersionId><Code>%s</Code></Error>", o.Key, o.VersionId, code)
				continue
			}
			if _, err := g.bucket.client.DeleteObject(r.Context(), &s3.DeleteObjectInput{Bucket: &g.bucket.name, Key: &o.Key, VersionId: &o.VersionId}); err != nil {
				g.t.Error(err)
			}
			answer += fmt.Sprintf("<Deleted><Key>%s</Key><VersionId>%s</VersionId></Deleted>", o.Key, o.VersionId)
		}
		w.Header().Set("Content-Type", "application/xml")
		_, _ = io.WriteString(w, answer+"</DeleteResult>")
	}
}

// seed puts n backups of the host's job crm, of the last hours, into the bucket.
func (b *bucket) seed(h *host, n int) {
	b.t.Helper()
	a, content := newAttacker(h), []byte("insert into t values (1);\n")
	for i := range n {
		id, err := holdfast.NewID(time.Now().Add(-time.Duration(i)*time.Hour), rand.Reader)
		must(b.t, err)
		p := pushed{ref: holdfast.Ref{Host: h.name, Job: "crm", ID: id}}
		p.start.Uploads = []api.StreamPlan{{Checksum: holdfast.ChecksumSHA256}}
		p.part = p.partOf(1, content)
		for key, body := range map[string][]byte{p.ref.Key("crm.sql"): content, p.ref.ManifestKey(): a.manifest(p, content)} {
			_, err := b.client.PutObject(b.t.Context(), &s3.PutObjectInput{Bucket: &b.name, Key: &key, Body: bytes.NewReader(body)})
			must(b.t, err)
		}
	}
}

// Each case deletes three of six backups, in two requests: their manifests, then
// their data.
func TestRetentionUnderFaultsNeverLeavesAManifestWithoutItsData(t *testing.T) {
	t.Parallel()
	nothing := blank(func(*gate, http.ResponseWriter, *http.Request) {})
	const manifests, data = 0, 1 // how many deletions come before
	for _, c := range []struct {
		name string
		*injection
		code             int
		backups, orphans int // left
	}{
		{"manifests: slow down", &injection{call: "delete", skip: manifests, times: 1, do: slowDown}, 0, 3, 0},
		{"manifests: reset", &injection{call: "delete", skip: manifests, times: 1, do: breaks(0)}, 0, 3, 0},
		{"manifests: a lost answer", &injection{call: "delete", skip: manifests, times: 1, do: loses}, 0, 3, 0},
		{"manifests: half an answer", &injection{call: "delete", skip: manifests, times: 1, do: cuts}, 0, 3, 0},
		{"manifests: 200 and an error", &injection{call: "delete", skip: manifests, times: 1, do: says(200, "InternalError")}, 0, 3, 0},
		{"manifests: 200 and nothing", &injection{call: "delete", skip: manifests, times: 1, do: nothing}, 0, 3, 0},
		{"manifests: an internal error of one", &injection{call: "delete", skip: manifests, times: 1, do: spares("InternalError")}, 0, 3, 0},
		{"manifests: one is refused", &injection{call: "delete", skip: manifests, times: 1, do: spares("AccessDenied")}, 1, 4, 0},
		{"manifests: all are refused", &injection{call: "delete", do: says(403, "AccessDenied")}, 1, 6, 0},
		{"data: a lost answer", &injection{call: "delete", skip: data, times: 1, do: loses}, 0, 3, 0},
		{"data: 200 and nothing", &injection{call: "delete", skip: data, times: 1, do: nothing}, 0, 3, 0},
		{"data: one is refused", &injection{call: "delete", skip: data, times: 1, do: spares("AccessDenied")}, 1, 3, 1},
		{"data: reset from then on", &injection{call: "delete", skip: data, do: breaks(0)}, 1, 3, 3},
		{"versions: refused", &injection{call: "versions", do: says(403, "AccessDenied")}, 1, 6, 0},
		{"versions: refused before the data", &injection{call: "versions", skip: data, do: says(403, "AccessDenied")}, 1, 3, 3},
		{"list: half an answer from then on", &injection{call: "list", do: cuts}, 1, 6, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newS3Site(t, "  crm: {}\n")
			g, h := newGate(t, s), s.addHost("web1", []string{"crm"}, random("crm", "1M", ""))
			s.writeConfig()
			s.bucket.seed(h, 6)
			g.inject(c.injection)
			r := s.holdfast("clean", "--keep", "3", "--force")
			g.open()
			if c.hits() == 0 {
				t.Errorf("%s", c.injection)
			}
			backups, orphans := s.bucket.whole(t)
			if r.code != c.code || backups != c.backups || orphans != c.orphans {
				t.Errorf("code %d, backups %d, orphans %d; want %d, %d, %d\nstdout: %s\nstderr: %s",
					r.code, backups, orphans, c.code, c.backups, c.orphans, r.out, r.errOut)
			}
			s.want(s.holdfast("clean", "--keep", "3", "--force"), 0) // the fault is gone
			if c.orphans > 0 {
				s.committed("crm", 3)
				s.swept()
			}
			if backups, orphans := s.bucket.whole(t); backups != 3 || orphans != 0 {
				t.Errorf("in the end: got %d backups and %d orphans, want 3 and none", backups, orphans)
			}
		})
	}
}
