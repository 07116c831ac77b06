package rehearsal

import (
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// story is what the steps of the rehearsal share.
type story struct {
	d         *deployment
	broker    string // URL
	bucket    string
	recipient string
	identity  string // file
	source    string // URL of the database
	web1      *machine
	web2      *machine
	alice     *machine          // operator
	revoked   time.Time         // when web2 was
	warm      *Function         // a broker that has answered web2 before
	audience  *audience         // who is told what is wrong
	thread    string            // subject of the mail that opened one
	secrets   map[string]string // that no log may hold
}

// TestRehearsal goes the whole way of docs/aws.md, in its order, and back.
func TestRehearsal(t *testing.T) {
	s := &story{d: newDeployment(t), secrets: map[string]string{}, audience: newAudience(t)}
	if before := s.d.cloud.inventory(t); len(before) > 0 {
		t.Fatalf("the account is not empty: %v", before)
	}
	for _, step := range []struct {
		name string
		do   func(*testing.T)
	}{
		{"deploy", s.deploy},
		{"add hosts and an operator", s.addHosts},
		{"push", s.push},
		{"revoke a host", s.revoke},
		{"run the schedules", s.runSchedules},
		{"report a failed run", s.reportFailure},
		{"restore", s.restore},
		{"restore with a ticket alone", s.restoreWithTicket},
		{"no more than needed was asked for", s.nothingRefused},
		{"least privilege", s.leastPrivilege},
		{"a revoked host is out within minutes", s.revokedIsOut},
		{"a host falls silent", s.hostSilent},
		{"no drift", s.noDrift},
		{"object lock", s.objectLock},
		{"destroy keeps backups", s.destroyKeepsBackups},
		{"destroy leaves nothing else", s.destroy},
	} {
		if !t.Run(step.name, step.do) {
			return // the steps build on each other
		}
	}
}

// variables are those of the example that are not left as they are. Without object
// lock, so that retention has something to delete.
func (s *story) variables(more map[string]any) map[string]any {
	v := map[string]any{"architecture": "amd64", "object_lock": nil, "hosts": map[string]any{}, "operators": map[string]any{}, "jobs": map[string]any{}}
	maps.Copy(v, s.channels())
	maps.Copy(v, more)
	return v
}

func (s *story) deploy(t *testing.T) {
	s.d.terraform.must(t, "validate", "-no-color")
	s.d.apply(t, s.variables(nil))
	s.broker, s.bucket = s.d.terraform.output(t, "broker_url"), s.d.terraform.output(t, "bucket")

	// The one command that Terraform prints for the operator to run.
	s.asOwner(t, "", s.d.terraform.output(t, "broker_secret_command"))
	var made struct{ Parameter struct{ Type, Value string } }
	ssm := s.d.cloud.service("ssm")
	must(t, ssm.target(t.Context(), "AmazonSSM.GetParameter", map[string]any{"Name": "/acme-backups/broker-secret", "WithDecryption": true}, &made))
	if made.Parameter.Type != "SecureString" || len(made.Parameter.Value) < 32 {
		t.Fatalf("the broker's secret is a %s of %d bytes", made.Parameter.Type, len(made.Parameter.Value))
	}
	s.secrets["the broker's secret"] = made.Parameter.Value
	s.storeSecrets(t)
	for _, service := range []string{"lambda", "apigateway", "scheduler", "iam", "sns", "logs", "cloudwatch", "sqs", "ssm", "s3"} {
		if len(s.d.cloud.inventory(t)[service]) == 0 {
			t.Errorf("the inventory shows nothing of %s", service)
		}
	}
	for name, f := range s.d.cloud.configurations(t) {
		if f.Runtime != "provided.al2023" || !slices.Equal(f.Architectures, []string{"x86_64"}) {
			t.Errorf("%s: runs on %s, %v", name, f.Runtime, f.Architectures)
		}
		for variable, value := range f.Environment.Variables {
			if strings.Contains(value, made.Parameter.Value) {
				t.Errorf("%s: %s holds the secret", name, variable)
			}
		}
	}
}

func (s *story) root() *s3.Client { return s.d.cloud.store.client(rootKeys) }

// objects returns the sizes of the objects below the prefix.
func (s *story) objects(t *testing.T, prefix string) map[string]int64 {
	t.Helper()
	answer, err := s.root().ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &prefix})
	must(t, err)
	all := map[string]int64{}
	for _, o := range answer.Contents {
		all[*o.Key] = *o.Size
	}
	return all
}

// content returns what an object holds.
func (s *story) content(t *testing.T, key string) string {
	t.Helper()
	answer, err := s.root().GetObject(t.Context(), &s3.GetObjectInput{Bucket: &s.bucket, Key: &key})
	must(t, err)
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	must(t, err)
	return string(content)
}

func (s *story) manifests(t *testing.T, host, job string) []string {
	t.Helper()
	var keys []string
	for key := range s.objects(t, "backups/"+host+"/"+job+"/") {
		if strings.HasSuffix(key, "/manifest.json") {
			keys = append(keys, key)
		}
	}
	return keys
}

func read(t testing.TB, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	must(t, err)
	return string(content)
}
