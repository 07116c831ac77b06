package function

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/holdfast-backup/holdfast"
)

// Whoever may only delete by name must not be able to make retention finish the
// work: the data of a backup whose manifest is hidden can still be brought back.
func TestWhatSomebodyDeletedByNameIsNotSweptAway(t *testing.T) {
	w := newWorld(t)
	w.hosts = host("web1", "[crm]")
	w.jobs = "  crm: { keep: { all: 1y } }\n"
	w.write()
	var all []holdfast.Ref
	for i := range 6 {
		all = append(all, w.backup(w.bucket, "", "web1", "crm", time.Duration(i)*time.Hour))
	}
	w.wait(49 * time.Hour)
	client := w.s3.Client()
	for _, b := range all {
		key := b.ManifestKey()
		if _, err := client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &w.bucket, Key: &key}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := w.invoke(Retention(w.env()), event(t, "schedule.json"))
	if err == nil || !strings.Contains(err.Error(), "by name") {
		t.Errorf("got error %v, want the finding", err)
	}
	left, err := client.ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: &w.bucket, Prefix: aws.String(holdfast.BackupsPrefix)})
	if err != nil {
		t.Fatal(err)
	}
	if len(left.Versions) != 2*len(all) || len(left.DeleteMarkers) != len(all) {
		t.Errorf("left %d versions and %d markers, want all %d and %d", len(left.Versions), len(left.DeleteMarkers), 2*len(all), len(all))
	}

	// Removing the markers brings the backups back.
	for _, m := range left.DeleteMarkers {
		if _, err := client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &w.bucket, Key: m.Key, VersionId: m.VersionId}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.invoke(Retention(w.env()), event(t, "schedule.json")); err != nil && strings.Contains(err.Error(), "by name") {
		t.Errorf("after they were brought back: %v", err)
	}
	if got := len(w.kept(w.bucket)); got != 2*len(all) {
		t.Errorf("%d objects are listed, want %d", got, 2*len(all))
	}
}
