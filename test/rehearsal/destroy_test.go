package rehearsal

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"
)

func (s *story) noDrift(t *testing.T) {
	if code, out := s.d.terraform.run(t, "plan", "-no-color", "-detailed-exitcode"); code != 0 {
		t.Errorf("terraform plan: exit code %d\n%s", code, out)
	}
}

func (s *story) destroyKeepsBackups(t *testing.T) {
	before := s.objects(t, "")
	if code, out := s.d.terraform.run(t, "destroy", "-no-color", "-auto-approve"); code == 0 || !strings.Contains(out, "BucketNotEmpty") {
		t.Errorf("destroy with backups: exit code %d\n%s", code, out)
	}
	if diff := cmp.Diff(before, s.objects(t, "")); diff != "" {
		t.Errorf("destroy touched backups: want - got +\n%s", diff)
	}
}

func (s *story) destroy(t *testing.T) {
	s.empty(t, "")
	s.d.terraform.must(t, "destroy", "-no-color", "-auto-approve")
	secrets := append(slices.Collect(maps.Keys(s.parameters())), "/acme-backups/broker-secret") // which Terraform has not made
	want := map[string][]string{"ssm": slices.Sorted(slices.Values(secrets))}
	if diff := cmp.Diff(want, s.d.cloud.inventory(t)); diff != "" {
		t.Errorf("left over: want - got +\n%s", diff)
	}
}

// empty deletes all versions below the prefix, as an owner who means it.
func (s *story) empty(t *testing.T, prefix string) {
	t.Helper()
	answer, err := s.root().ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: &s.bucket, Prefix: &prefix})
	must(t, err)
	var all []types.ObjectIdentifier
	for _, v := range answer.Versions {
		all = append(all, types.ObjectIdentifier{Key: v.Key, VersionId: v.VersionId})
	}
	for _, m := range answer.DeleteMarkers {
		all = append(all, types.ObjectIdentifier{Key: m.Key, VersionId: m.VersionId})
	}
	for _, o := range all {
		_, err := s.root().DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &s.bucket, Key: o.Key, VersionId: o.VersionId, BypassGovernanceRetention: aws.Bool(true)})
		must(t, err)
	}
}
