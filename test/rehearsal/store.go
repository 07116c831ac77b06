package rehearsal

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/holdfast-backup/holdfast/internal/testenv"
)

const region = "eu-west-3"

// keys are an access key and its secret.
type keys struct{ access, secret string }

// rootKeys are those of the account's owner, for Terraform and for the test.
var rootKeys = keys{"root-of-the-rehearsal", "secret-of-the-rehearsal"}

// store is S3: versitygw for all that concerns objects, with IAM's policies in
// force, and moto for the settings of a bucket that versitygw does not have.
// moto's own S3 would not do for objects: it takes a part with other bytes than
// were signed, or with a false signature, and completes an upload whatever size
// it is said to have.
type store struct {
	url string // of both behind one address
	iam string // the IAM of versitygw
}

func newStore(t testing.TB, moto string) *store {
	t.Helper()
	program := testenv.Versitygw(t)
	dir := t.TempDir()
	for _, name := range []string{"buckets", "versions", "iam"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	private, err := os.MkdirTemp("", "holdfast-iam-") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(private) })
	socket := filepath.Join(private, "iam")
	iam, objects := freeAddress(t), freeAddress(t)
	common := []string{"--access", rootKeys.access, "--secret", rootKeys.secret, "--region", region, "--quiet", "--health", "/health"}
	serve(t, "http://"+iam+"/health", program, append(common, "--port", iam, "iam", "--dir", filepath.Join(dir, "iam"), "--private-ports", socket)...)
	serve(t, "http://"+objects+"/health", program, append(common, "--port", objects, "--keep-alive", "--iam-standalone-endpoint", socket,
		"posix", "--versioning-dir", filepath.Join(dir, "versions"), filepath.Join(dir, "buckets"))...)
	s := &store{iam: "http://" + iam}
	s.url = listen(t, front(t, "http://"+objects, moto))
	return s
}

// settings are the subresources of a bucket that moto keeps.
var settings = []string{
	"accelerate", "encryption", "lifecycle", "logging", "notification", "policy", "policyStatus",
	"publicAccessBlock", "replication", "requestPayment", "website", "tagging", "cors", "ownershipControls", "acl",
}

// front puts versitygw and moto behind one address. A bucket is made and removed
// in both, and it is versitygw that says whether it is empty.
func front(t testing.TB, objects, moto string) http.Handler {
	toObjects, toMoto := forward(t, objects), forward(t, moto)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		bucket := len(r.URL.Path) > 1 && filepath.Dir(filepath.Clean(r.URL.Path)) == "/"
		query := r.URL.Query()
		for _, name := range settings {
			if bucket && query.Has(name) {
				toMoto.ServeHTTP(w, r)
				return
			}
		}
		// Making and removing the bucket, its versioning and lock are told to both.
		if bucket && (r.Method == http.MethodPut || r.Method == http.MethodDelete) {
			both(w, r, toObjects, toMoto)
			return
		}
		toObjects.ServeHTTP(w, r)
	})
}

func forward(t testing.TB, to string) *httputil.ReverseProxy {
	t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // it is part of what is signed
	}}
}

// client is one with those keys.
func (s *store) client(k keys) *s3.Client {
	return s3.New(s3.Options{
		Region: region, BaseEndpoint: aws.String(s.url), UsePathStyle: true, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(k.access, k.secret, ""),
	})
}

// both sends the request to one server and, where that succeeds, to the other.
func both(w http.ResponseWriter, r *http.Request, first, second http.Handler) {
	body, err := readBody(r.Body, maxRequest)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer := httptest.NewRecorder()
	r.Body = io.NopCloser(bytes.NewReader(body))
	first.ServeHTTP(answer, r.Clone(r.Context()))
	if answer.Code < 300 {
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer = httptest.NewRecorder()
		second.ServeHTTP(answer, r)
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}
