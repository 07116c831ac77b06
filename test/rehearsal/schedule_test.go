package rehearsal

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/status"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

func (s *story) runSchedules(t *testing.T) {
	s.web1.must(t, "pusher", "run")
	s.d.logs()
	if got := len(s.manifests(t, "web1", "crm")); got != 3 {
		t.Fatalf("web1/crm has %d backups, want 3", got)
	}
	s.audience.takeBeats()
	var last holdfast.Cleanup
	for n, name := range []string{"retention", "monitor", "retention"} { // the scheduler delivers at least once
		if err := s.d.schedule(t, name); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, s.d.logs())
		}
		s.completed(t, name)
		// What retention did it writes down, at first and over what lies there.
		if text := s.content(t, holdfast.CleanupKey); json.Unmarshal([]byte(text), &last) != nil {
			t.Fatalf("retention left %q", text)
		}
		if want := max(0, 1-n/2); last.Deleted != want || last.Error != "" || len(last.Findings) > 0 {
			t.Errorf("run %d, %s: retention left %+v, want %d deleted and nothing wrong", n+1, name, last, want)
		}
	}
	s.told(t, "", "")
	if diff := cmp.Diff(map[string]int{"start": 1, "success": 1}, s.audience.takeBeats()); diff != "" {
		t.Errorf("heartbeats of the round: want - got +\n%s", diff)
	}
	if now := s.status(t); now.Cleaned.Deleted != 1 || now.Cleaned.Failed {
		t.Errorf("status.json: the last cleanup is %+v, want one that deleted 1", now.Cleaned)
	}
	s.jobIs(t, status.OK)
	if got := len(s.manifests(t, "web1", "crm")); got != 2 {
		t.Errorf("retention left %d backups of web1/crm, want 2", got)
	}
	versions, err := s.root().ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: &s.bucket, Prefix: aws.String("backups/web1/")})
	must(t, err)
	if len(versions.Versions) != 4 || len(versions.DeleteMarkers) != 0 {
		t.Errorf("retention left %d versions and %d delete markers, want 4 and 0", len(versions.Versions), len(versions.DeleteMarkers))
	}
	state := slices.Sorted(maps.Keys(s.objects(t, "state/")))
	if diff := cmp.Diff([]string{"state/alerts.json", "state/monitor.json", "state/retention.json", "state/status.html", "state/status.json"}, state); diff != "" {
		t.Errorf("below state/: want - got +\n%s", diff)
	}
}

// completed proves the metrics that the alarms are about.
func (s *story) completed(t *testing.T, name string) {
	t.Helper()
	var metrics strings.Builder
	for line := range strings.Lines(s.d.functions[name].Log.String()) {
		if strings.Contains(line, `"_aws"`) {
			metrics.WriteString(line)
		}
	}
	for _, m := range testenv.ParseEMF(t, metrics.String()) {
		if m.Namespace == "Holdfast" && m.Dimensions["Deployment"] == "acme-backups" && m.Dimensions["Function"] == name && m.Metrics["Completed"] == 1 {
			return
		}
	}
	t.Errorf("%s wrote no metric Completed:\n%s", name, metrics.String())
}

// objectLock switches on what the example has by default: what is stored from then
// on cannot be deleted with the rights of retention either.
func (s *story) objectLock(t *testing.T) {
	v := s.d.variables
	v["object_lock"] = map[string]any{"mode": "governance", "days": 7}
	s.d.apply(t, v)
	s.d.start(t)
	before := s.objects(t, "backups/")
	s.web1.must(t, "pusher", "run")
	locked := 0
	for key := range s.objects(t, "backups/web1/crm/") {
		if _, ok := before[key]; ok {
			continue
		}
		locked++
		held, err := s.root().GetObjectRetention(t.Context(), &s3.GetObjectRetentionInput{Bucket: &s.bucket, Key: &key})
		must(t, err)
		if days := time.Until(*held.Retention.RetainUntilDate).Hours() / 24; held.Retention.Mode != types.ObjectLockRetentionModeGovernance || days < 6.9 || days > 7.1 {
			t.Errorf("%s: locked %s for %.1f days", key, held.Retention.Mode, days)
		}
		head, err := s.root().HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &s.bucket, Key: &key})
		must(t, err)
		retention := s.d.cloud.store.client(s.d.principals["retention"].keys)
		for _, bypass := range []*bool{nil, aws.Bool(true)} {
			if _, err := retention.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &s.bucket, Key: &key, VersionId: head.VersionId, BypassGovernanceRetention: bypass}); err == nil {
				t.Errorf("retention deleted %s, which is locked", key)
			}
		}
	}
	if locked != 2 {
		t.Errorf("%d new objects, want a manifest and its data", locked)
	}
	s.nothingRefused(t)
}
