package rehearsal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/holdfast-backup/holdfast"
)

// attempt is something to do with the keys of a function. Those who may not must
// be refused for that reason, and those who may must succeed.
type attempt struct {
	what string
	may  string // the functions, separated by spaces
	do   func(context.Context, *s3.Client) error
}

// leastPrivilege tries everything under the policies of each function. The steps
// before have shown that these are enough: the functions ran under the same ones.
//
// In force are the actions, the resources and the conditions of the roles' policies
// (versitygw's IAM evaluates s3:prefix and the aws: keys). Not in force are the
// bucket's own policy, so that a PutObject of the broker without If-None-Match
// would replace an object here and not on AWS; kms:ViaService; and what reads or
// changes the settings that moto keeps (settings in store.go).
func (s *story) leastPrivilege(t *testing.T) {
	defer s.removeScratch(t)
	for _, a := range s.attempts(t) {
		for _, function := range []string{"broker", "restore", "retention", "monitor"} {
			err := a.do(t.Context(), s.d.cloud.store.client(s.d.principals[function].keys))
			refusal, isAPI := errors.AsType[smithy.APIError](err)
			denied := isAPI && (refusal.ErrorCode() == "AccessDenied" || refusal.ErrorCode() == "Forbidden")
			switch may := strings.Contains(" "+a.may+" ", " "+function+" "); {
			case may && err != nil:
				t.Errorf("%s, which %s may do: %v", a.what, function, err)
			case !may && err == nil:
				t.Errorf("%s may %s", function, a.what)
			case !may && !denied:
				t.Errorf("%s was kept from it otherwise than by its policy: %s: %v", function, a.what, err)
			}
		}
	}
	refusals := 0
	for _, p := range s.calls() {
		for function, who := range s.d.principals {
			err := p.do(t.Context(), who.keys)
			denied := err != nil && strings.Contains(err.Error(), "AccessDenied")
			may := strings.Contains(" "+p.may+" ", " "+function+" ")
			if may && err != nil || !may && !denied {
				t.Errorf("%s: %s: %v", function, p.what, err)
			}
			if !may {
				refusals++
			}
		}
	}
	if refused := s.d.guard.takeRefused(); len(refused) != refusals {
		t.Errorf("refused: %q, want %d", refused, refusals)
	}
	if sent := s.d.guard.takeSent(); len(sent) != 1 {
		t.Errorf("%d mails went out, want 1: %+v", len(sent), sent)
	}
}

func (s *story) attempts(t *testing.T) []attempt {
	backup := s.manifests(t, "web1", "crm")[0]
	fresh := 0
	scratch := func(prefix string) *string { fresh++; return aws.String(fmt.Sprintf("%sscratch/x/%d", prefix, fresh)) }
	existing := func(ctx context.Context, prefix string) (*string, *string) {
		key := scratch(prefix)
		out, err := s.root().PutObject(ctx, &s3.PutObjectInput{Bucket: &s.bucket, Key: key, Body: strings.NewReader("x")})
		must(t, err)
		return key, out.VersionId
	}
	upload := func(ctx context.Context, key *string) *string {
		out, err := s.root().CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &s.bucket, Key: key})
		must(t, err)
		return out.UploadId
	}
	list := func(prefix *string) func(context.Context, *s3.Client) error {
		return func(ctx context.Context, c *s3.Client) error {
			_, err := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: prefix})
			return err
		}
	}
	get := func(key *string) func(context.Context, *s3.Client) error {
		return func(ctx context.Context, c *s3.Client) error {
			out, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: key})
			if err != nil {
				return err
			}
			defer out.Body.Close()
			_, err = io.Copy(io.Discard, out.Body)
			return err
		}
	}
	put := func(prefix string) func(context.Context, *s3.Client) error {
		return func(ctx context.Context, c *s3.Client) error {
			_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: &s.bucket, Key: scratch(prefix), Body: bytes.NewReader([]byte("x")), IfNoneMatch: aws.String("*")})
			return err
		}
	}
	remove := func(prefix string, version bool) func(context.Context, *s3.Client) error {
		return func(ctx context.Context, c *s3.Client) error {
			key, id := existing(ctx, prefix)
			if !version {
				id = nil
			}
			_, err := c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: key, VersionId: id})
			return err
		}
	}
	again := func(key string) func(context.Context, *s3.Client) error { // nothing changes where it may be
		content := s.content(t, key)
		return func(ctx context.Context, c *s3.Client) error {
			_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: &s.bucket, Key: &key, Body: strings.NewReader(content)})
			return err
		}
	}
	state, _ := existing(t.Context(), "state/")
	report, _ := existing(t.Context(), "reports/")
	elsewhere, _ := existing(t.Context(), "elsewhere/")
	all := []attempt{
		{"list backups", "broker restore retention monitor", list(aws.String("backups/"))},
		{"list reports", "broker restore retention monitor", list(aws.String("reports/web1/"))},
		{"list the monitor's state", "restore monitor", list(aws.String("state/"))},
		{"list everything", "restore monitor", list(nil)},
		{"list versions", "retention monitor", func(ctx context.Context, c *s3.Client) error {
			_, err := c.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: &s.bucket, Prefix: aws.String("backups/")})
			return err
		}},
		{"list uploads", "broker retention", func(ctx context.Context, c *s3.Client) error {
			_, err := c.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &s.bucket, Prefix: aws.String("backups/")})
			return err
		}},
		{"read a backup", "restore monitor", get(&backup)},
		{"read a report", "monitor", get(report)},
		{"read the monitor's state", "monitor", get(state)},
		{"read what lies elsewhere", "", get(elsewhere)},
		{"add to backups", "broker", put("backups/")},
		{"add a report", "broker", put("reports/")},
		{"write state", "monitor", put("state/")},
		{"write elsewhere", "", put("elsewhere/")},
		{"copy a backup", "", func(ctx context.Context, c *s3.Client) error {
			_, err := c.CopyObject(ctx, &s3.CopyObjectInput{Bucket: &s.bucket, Key: scratch("backups/"), CopySource: aws.String(s.bucket + "/" + backup)})
			return err
		}},
		{"start an upload", "broker", func(ctx context.Context, c *s3.Client) error {
			_, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &s.bucket, Key: scratch("backups/")})
			return err
		}},
		{"send a part", "broker", func(ctx context.Context, c *s3.Client) error {
			key := scratch("backups/")
			_, err := c.UploadPart(ctx, &s3.UploadPartInput{Bucket: &s.bucket, Key: key, UploadId: upload(ctx, key), PartNumber: aws.Int32(1), Body: strings.NewReader("x")})
			return err
		}},
		{"abort an upload", "broker retention", func(ctx context.Context, c *s3.Client) error {
			key := scratch("backups/")
			_, err := c.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &s.bucket, Key: key, UploadId: upload(ctx, key)})
			return err
		}},
		{"hide a backup", "retention", remove("backups/", false)},
		{"delete a version of a backup", "retention", remove("backups/", true)},
		{"delete a report", "retention", remove("reports/", true)},
		{"delete state", "", remove("state/", false)},
		{"delete elsewhere", "", remove("elsewhere/", true)},
		{"delete many", "retention", func(ctx context.Context, c *s3.Client) error {
			key, version := existing(ctx, "backups/")
			out, err := c.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &s.bucket, Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: key, VersionId: version}}}})
			if err == nil && len(out.Errors) > 0 {
				err = &smithy.GenericAPIError{Code: *out.Errors[0].Code}
			}
			return err
		}},
		{"lock a backup", "", func(ctx context.Context, c *s3.Client) error {
			_, err := c.PutObjectLegalHold(ctx, &s3.PutObjectLegalHoldInput{Bucket: &s.bucket, Key: &backup, LegalHold: &types.ObjectLockLegalHold{Status: types.ObjectLockLegalHoldStatusOn}})
			return err
		}},
		{"see the bucket's versioning", "monitor", func(ctx context.Context, c *s3.Client) error {
			_, err := c.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &s.bucket})
			return err
		}},
		{"suspend the bucket's versioning", "", func(ctx context.Context, c *s3.Client) error {
			_, err := c.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: &s.bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusSuspended}})
			return err
		}},
		{"delete the bucket", "", func(ctx context.Context, c *s3.Client) error {
			_, err := c.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &s.bucket})
			return err
		}},
		{"read what retention did", "retention monitor", get(aws.String(holdfast.CleanupKey))},
		{"write what retention did", "retention monitor", again(holdfast.CleanupKey)},
		{"delete what retention did", "", func(ctx context.Context, c *s3.Client) error {
			_, err := c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: aws.String(holdfast.CleanupKey)})
			return err
		}},
		{"change a manifest", "broker", again(backup)}, // on AWS the bucket's policy keeps the broker from it
	}
	for _, name := range []string{"monitor.json", "alerts.json", "status.json", "status.html"} {
		key := holdfast.StatePrefix + name
		all = append(all, attempt{"read " + name, "monitor", get(&key)}, attempt{"replace " + name, "monitor", again(key)})
	}
	for _, key := range []string{"state/retention.json.old", "state/silences.json"} {
		all = append(all, attempt{"add " + key, "monitor", func(ctx context.Context, c *s3.Client) error {
			_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: &s.bucket, Key: &key, Body: strings.NewReader("{}")})
			return err
		}})
	}
	return all
}

// removeScratch removes what the attempts made.
func (s *story) removeScratch(t *testing.T) {
	for _, prefix := range []string{"backups/scratch/", "reports/scratch/", "state/scratch/", "elsewhere/scratch/", "state/retention.json.", "state/silences.json"} {
		s.empty(t, prefix)
	}
	uploads, err := s.root().ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &s.bucket})
	must(t, err)
	for _, u := range uploads.Uploads {
		_, err := s.root().AbortMultipartUpload(t.Context(), &s3.AbortMultipartUploadInput{Bucket: &s.bucket, Key: u.Key, UploadId: u.UploadId})
		must(t, err)
	}
}

// nothingRefused proves that the functions asked for nothing beyond their policies
// on the way, and that no program went anywhere but to the deployment.
func (s *story) nothingRefused(t *testing.T) {
	if refused := s.d.guard.takeRefused(); len(refused) > 0 {
		t.Errorf("what was asked for and refused: %q", refused)
	}
	if strayed := s.d.internet.elsewhere(); len(strayed) > 0 {
		t.Errorf("programs went elsewhere: %q", strayed)
	}
	logged := s.d.logs()
	if strings.Contains(logged, "AccessDenied") {
		t.Errorf("a function was denied something:\n%s", logged)
	}
	state := read(t, filepath.Join(s.d.terraform.dir, "terraform.tfstate"))
	for what, secret := range s.secrets {
		if strings.Contains(logged, secret) {
			t.Errorf("the logs hold %s", what)
		}
		if strings.Contains(state, secret) {
			t.Errorf("Terraform's state holds %s", what)
		}
	}
}
