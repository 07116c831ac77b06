package awsenv_test

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/awsenv"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// world is an Env that asks moto, with a clock of its own.
type world struct {
	*awsenv.Env
	t    *testing.T
	moto testenv.MotoServer
	now  time.Time
	log  bytes.Buffer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, moto: testenv.Moto(t), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	w.moto.Setenv(t)
	w.Env = awsenv.New(func() time.Time { return w.now }, slog.New(slog.NewTextHandler(&w.log, nil)))
	return w
}

// put stores a parameter under a name of the test's own and returns the name.
func (w *world) put(name, value string, kind ssmtypes.ParameterType) string {
	w.t.Helper()
	name = "/" + w.t.Name() + "/" + name
	_, err := w.moto.SSM().PutParameter(w.t.Context(), &ssm.PutParameterInput{
		Name: &name, Value: &value, Type: kind, Overwrite: aws.Bool(true),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return name
}

func (w *world) drop(name string) {
	w.t.Helper()
	if _, err := w.moto.SSM().DeleteParameter(w.t.Context(), &ssm.DeleteParameterInput{Name: &name}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) wantSecret(ref secret.Ref, want string) {
	w.t.Helper()
	got, err := w.Secret(w.t.Context(), ref)
	if err != nil || got.Reveal() != want {
		w.t.Fatalf("%s: got %q, %v, want %q", ref, got.Reveal(), err, want)
	}
}

func TestADocumentComesFromAParameterAnObjectOrAFile(t *testing.T) {
	w := newWorld(t)
	file := filepath.Join(t.TempDir(), "holdfast.yaml")
	if err := os.WriteFile(file, []byte("from a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	bucket := w.moto.NewBucket(t)
	_, err := w.moto.S3().PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("a/holdfast.yaml"), Body: strings.NewReader("from a bucket")})
	if err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[string]string{
		"ssm:" + w.put("plain", "a parameter", ssmtypes.ParameterTypeString):             "a parameter",
		"ssm:" + w.put("hidden", "an encrypted one", ssmtypes.ParameterTypeSecureString): "an encrypted one",
		"s3://" + bucket + "/a/holdfast.yaml":                                            "from a bucket",
		file:                                                                             "from a file",
	} {
		name, text, err := w.Document(t.Context(), ref)
		if err != nil || string(text) != want || name != ref {
			t.Errorf("%s: got %q, %q, %v, want %q", ref, name, text, err, want)
		}
	}
}

func TestADocumentThatIsNotThereIsAnError(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		ref, text string
		is        error
	}{
		{"ssm:/absent", `parameter "/absent"`, holdfast.ErrNotExist},
		{"s3://no-such-bucket-of-these-tests/a", "no-such-bucket-of-these-tests", nil},
		{"s3://bucket", "want s3://bucket/key", nil},
		{filepath.Join(t.TempDir(), "absent.yaml"), "absent.yaml", fs.ErrNotExist},
	} {
		_, _, err := w.Document(t.Context(), c.ref)
		if err == nil || !strings.Contains(err.Error(), c.text) || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: got %v, want an error with %q", c.ref, err, c.text)
		}
	}
}

func TestASecretIsKeptForAMinute(t *testing.T) {
	w := newWorld(t)
	name := w.put("broker-secret", "the first one\n", ssmtypes.ParameterTypeSecureString)
	ref := secret.Ref("ssm:" + name)
	w.wantSecret(ref, "the first one")
	w.put("broker-secret", "the second one", ssmtypes.ParameterTypeSecureString)
	w.now = w.now.Add(awsenv.TTL - time.Second)
	w.wantSecret(ref, "the first one")
	w.now = w.now.Add(time.Second)
	w.wantSecret(ref, "the second one")

	// Gone from the store it serves on, then no more; the log never shows it.
	w.drop(name)
	w.now = w.now.Add(awsenv.TTL)
	w.wantSecret(ref, "the second one")
	w.now = w.now.Add(awsenv.MaxAge)
	if _, err := w.Secret(t.Context(), ref); !errors.Is(err, holdfast.ErrNotExist) {
		t.Errorf("got %v, want %v", err, holdfast.ErrNotExist)
	}
	if log := w.log.String(); strings.Count(log, "refresh failed") != 1 || strings.Contains(log, "second") {
		t.Errorf("logged, want one failed refresh and no secret:\n%s", log)
	}
}

func TestASecretMustBeEncryptedAndNotEmpty(t *testing.T) {
	w := newWorld(t)
	for name, want := range map[string]string{
		w.put("open", "for all to see", ssmtypes.ParameterTypeString): "want a SecureString",
		w.put("empty", "\n", ssmtypes.ParameterTypeSecureString):      "is empty",
	} {
		_, err := w.Secret(t.Context(), secret.Ref("ssm:"+name))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "for all to see") {
			t.Errorf("%s: got %v, want an error with %q", name, err, want)
		}
	}
}

func TestOtherSecretsAreOfThisMachineAndNeedNoAWS(t *testing.T) {
	t.Setenv("A_SECRET", "local")
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
	e := awsenv.New(time.Now, slog.New(slog.DiscardHandler))
	got, err := e.Secret(t.Context(), "env:A_SECRET")
	if err != nil || got.Reveal() != "local" {
		t.Errorf("got %q, %v", got.Reveal(), err)
	}
}

func TestMetricsAreInTheEmbeddedMetricFormat(t *testing.T) {
	now := time.UnixMilli(1_772_366_400_123)
	var out bytes.Buffer
	m := awsenv.NewMetrics(&out, "acme", func() time.Time { return now })
	for _, err := range []error{
		m.Put("Function", "monitor", awsenv.Metric{Name: "Completed", Unit: awsenv.Count, Value: 1}, awsenv.Metric{Name: "Failed", Unit: awsenv.Count}),
		m.Put("Vault", "main", awsenv.Metric{Name: "StoredBytes", Unit: awsenv.Bytes, Value: 1 << 40}),
		m.Put("Vault", "main"), // nothing
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want := `{"Completed":1,"Deployment":"acme","Failed":0,"Function":"monitor","_aws":{"CloudWatchMetrics":[{"Namespace":"Holdfast","Dimensions":[["Deployment","Function"]],"Metrics":[{"Name":"Completed","Unit":"Count"},{"Name":"Failed","Unit":"Count"}]}],"Timestamp":1772366400123}}
{"Deployment":"acme","StoredBytes":1099511627776,"Vault":"main","_aws":{"CloudWatchMetrics":[{"Namespace":"Holdfast","Dimensions":[["Deployment","Vault"]],"Metrics":[{"Name":"StoredBytes","Unit":"Bytes"}]}],"Timestamp":1772366400123}}
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &out, want)
	}
	if all := testenv.ParseEMF(t, out.String()); len(all) != 2 || all[1].Metrics["StoredBytes"] != 1<<40 {
		t.Errorf("understood as %+v", all)
	}
}
