package testenv

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// MotoServer is moto, which stands in for the APIs of AWS. It checks no
// signatures.
type MotoServer struct{ URL, Region string }

var startMoto = sync.OnceValues(newMoto)

// Moto returns the moto of this test binary and starts it if it is the first to
// ask. Names apart, tests share it. It ends with the test binary.
func Moto(t testing.TB) MotoServer {
	t.Helper()
	s, err := startMoto()
	if err != nil {
		t.Fatalf("start moto: %v", err)
	}
	return s
}

func newMoto() (MotoServer, error) {
	program, err := find("python3-pip, then pip install 'moto[server]'", "moto_server")
	if err != nil {
		return MotoServer{}, err
	}
	dir, err := os.MkdirTemp("", "holdfast-moto-")
	if err != nil {
		return MotoServer{}, err
	}
	port, err := freePort()
	if err != nil {
		return MotoServer{}, err
	}
	s := MotoServer{URL: fmt.Sprintf("http://127.0.0.1:%d", port), Region: "eu-west-3"}
	if err := supervise(dir, "TERM", nil, program, "-H", "127.0.0.1", "-p", strconv.Itoa(port)); err != nil {
		return MotoServer{}, err
	}
	for deadline := time.Now().Add(60 * time.Second); ; {
		answer, err := http.Get(s.URL + "/moto-api/data.json")
		if err == nil {
			_, _ = io.Copy(io.Discard, answer.Body)
			return s, answer.Body.Close()
		}
		if time.Now().After(deadline) {
			return MotoServer{}, fmt.Errorf("moto does not answer: %w\n%s", err, logOf(dir))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Setenv points the SDK of the test at moto, as the environment of a function
// would, whatever the machine's own AWS settings are.
func (s MotoServer) Setenv(t testing.TB) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": s.URL, "AWS_ENDPOINT_URL_SSM": "", "AWS_ENDPOINT_URL_S3": "",
		"AWS_REGION": s.Region, "AWS_PROFILE": "", "AWS_SESSION_TOKEN": "",
		"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing",
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
	} {
		t.Setenv(name, value)
	}
}

var motoCredentials = credentials.NewStaticCredentialsProvider("testing", "testing", "")

// SSM returns the SDK's client of the parameter store.
func (s MotoServer) SSM() *ssm.Client {
	return ssm.New(ssm.Options{Region: s.Region, BaseEndpoint: aws.String(s.URL), Credentials: motoCredentials})
}

// NewBucket makes a bucket with a name of its own.
func (s MotoServer) NewBucket(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("bucket-%d", databases.Add(1))
	_, err := s.S3().CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name, CreateBucketConfiguration: &types.CreateBucketConfiguration{
		LocationConstraint: types.BucketLocationConstraint(s.Region),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// S3 returns the SDK's client of moto's buckets.
func (s MotoServer) S3() *s3.Client {
	return s3.New(s3.Options{Region: s.Region, BaseEndpoint: aws.String(s.URL), UsePathStyle: true, Credentials: motoCredentials})
}
