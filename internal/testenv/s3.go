package testenv

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/gofrs/flock"
)

// S3Server is a real S3 server, versitygw, that enforces signatures. AccessKey
// and SecretKey are its root user's.
type S3Server struct {
	URL, Region          string
	AccessKey, SecretKey string
	Dir                  string // where it keeps its buckets
}

// Bucket is what a bucket is made with.
type Bucket struct {
	Versioned bool
	Locked    bool // with object lock, and so versioned
}

var s3Server struct {
	sync.Once
	server S3Server
	err    error
}

// S3 returns the S3 server of this test binary, which it starts at the first
// call. Buckets apart, tests share it.
func S3(t testing.TB) S3Server {
	t.Helper()
	s3Server.Do(func() { s3Server.server, s3Server.err = startS3() })
	if s3Server.err != nil {
		t.Fatal(s3Server.err)
	}
	return s3Server.server
}

// Versitygw returns the path of the S3 server's program, for a test that starts
// one of its own.
func Versitygw(t testing.TB) string {
	t.Helper()
	path, err := versitygw()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// versitygw builds the server, once for all test binaries, and returns its path.
func versitygw() (string, error) {
	_, here, _, ok := runtime.Caller(0)
	if !ok {
		return "", fmt.Errorf("build versitygw: no source file is known")
	}
	module := filepath.Join(filepath.Dir(here), "..", "..", "test", "versitygw")
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("build versitygw: %w", err)
	}
	dir := filepath.Join(cache, "holdfast-test")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("build versitygw: %w", err)
	}
	lock := flock.New(filepath.Join(dir, "versitygw.lock"))
	if err := lock.Lock(); err != nil {
		return "", fmt.Errorf("build versitygw: %w", err)
	}
	defer lock.Unlock()
	// The go command knows whether what is there is up to date.
	path := filepath.Join(dir, "versitygw")
	build := exec.Command("go", "build", "-o", path, "github.com/versity/versitygw/cmd/versitygw")
	build.Dir = module
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build versitygw: %w\n%s", err, out)
	}
	return path, nil
}

func startS3() (S3Server, error) {
	program, err := versitygw()
	if err != nil {
		return S3Server{}, err
	}
	dir, err := os.MkdirTemp("", "holdfast-s3-")
	if err != nil {
		return S3Server{}, err
	}
	for _, name := range []string{"buckets", "versions", "iam"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			return S3Server{}, err
		}
	}
	port, err := freePort()
	if err != nil {
		return S3Server{}, err
	}
	s := S3Server{
		URL: fmt.Sprintf("http://127.0.0.1:%d", port), Region: "eu-west-3",
		AccessKey: "root-of-the-tests", SecretKey: "secret-of-the-tests", Dir: filepath.Join(dir, "buckets"),
	}
	err = supervise(dir, "TERM", nil, program, "--port", fmt.Sprintf("127.0.0.1:%d", port),
		"--access", s.AccessKey, "--secret", s.SecretKey, "--region", s.Region, "--quiet", "--keep-alive",
		"--iam-dir", filepath.Join(dir, "iam"),
		"posix", "--versioning-dir", filepath.Join(dir, "versions"), s.Dir)
	if err != nil {
		return S3Server{}, err
	}
	for deadline := time.Now().Add(30 * time.Second); ; {
		answer, err := http.Get(s.URL)
		if err == nil {
			_, _ = io.Copy(io.Discard, answer.Body)
			return s, answer.Body.Close()
		}
		if time.Now().After(deadline) {
			return S3Server{}, fmt.Errorf("versitygw does not answer: %w\n%s", err, logOf(dir))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Client returns the AWS SDK's client with the server's root user.
func (s S3Server) Client() *s3.Client {
	return s3.New(s3.Options{
		Region: s.Region, BaseEndpoint: aws.String(s.URL), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(s.AccessKey, s.SecretKey, ""),
	})
}

// NewBucket makes a bucket with a name of its own.
func (s S3Server) NewBucket(t testing.TB, b Bucket) string {
	t.Helper()
	name := fmt.Sprintf("bucket-%d", databases.Add(1))
	client := s.Client()
	_, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name, ObjectLockEnabledForBucket: &b.Locked})
	if err != nil {
		t.Fatal(err)
	}
	if b.Versioned || b.Locked {
		if err := enableVersioning(t.Context(), client, name); err != nil {
			t.Fatal(err)
		}
	}
	return name
}

func enableVersioning(ctx context.Context, client *s3.Client, bucket string) error {
	_, err := client.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
		Bucket: &bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	return err
}
