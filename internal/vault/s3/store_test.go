package s3

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

func TestPresets(t *testing.T) {
	for _, name := range []string{"aws", "b2", "hetzner", "minio", "r2", "scaleway", "other"} {
		s, err := Preset(name)
		if err != nil {
			t.Error(err)
		}
		if err := s.check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if s.SDKChecksums != (name == "aws") || s.TotalSize && name != "aws" {
			t.Errorf("%s: %+v takes it for AWS", name, s)
		}
		if want := map[string]int{"scaleway": 1000}[name]; want > 0 && s.MaxParts != want {
			t.Errorf("%s: %d parts, want %d", name, s.MaxParts, want)
		}
	}
	if _, err := Preset("wasabi"); err == nil || !strings.Contains(err.Error(), "scaleway") {
		t.Errorf("an unknown store: got error %v, want one that names the choices", err)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	t.Setenv("AWS_CONFIG_FILE", "/nonexistent")
	good := Options{Bucket: "acme", Region: "eu-west-3", Store: gateway(t), Credentials: credentials.NewStaticCredentialsProvider("id", "secret", "")}
	if _, err := New(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(o *Options){
		"no bucket":      func(o *Options) { o.Bucket = "" },
		"no region":      func(o *Options) { o.Region = "" },
		"no store":       func(o *Options) { o.Store = Store{} },
		"too many parts": func(o *Options) { o.Store.MaxParts = 10001 },
	} {
		o := good
		change(&o)
		if _, err := New(t.Context(), o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	good.Region, good.Endpoint = "", "https://s3.example"
	if _, err := New(t.Context(), good); err != nil {
		t.Errorf("an endpoint without a region: %v", err)
	}
}

// TestWhatOtherStoresAreSent: none of the checksums that the SDK adds by itself,
// which stores other than AWS have refused.
func TestWhatOtherStoresAreSent(t *testing.T) {
	server := testenv.S3(t)
	headers := map[string]http.Header{}
	w := &wire{answer: func(op string, r *http.Request) (*http.Response, error) {
		headers[op] = r.Header.Clone()
		return nil, nil
	}}
	v := newVault(t, server, server.NewBucket(t, testenv.Bucket{}), func(o *Options) {
		o.Store, o.Client = preset(t, "other"), &http.Client{Transport: w}
	})
	u, parts := begin(t, v, "backups/a", []byte("a body"))
	wants(t, "complete", v.CompleteUpload(t.Context(), u, parts, 6), nil)
	put(t, v, "backups/b", "backups/c")
	if _, err := v.Open(t.Context(), "backups/b", 0, -1); err != nil {
		t.Fatal(err)
	}
	for _, err := range v.DeleteBatch(t.Context(), []string{"backups/b", "backups/c"}) {
		wants(t, "delete", err, nil)
	}
	for op, h := range headers {
		for name := range h {
			if strings.Contains(strings.ToLower(name), "checksum") || name == "X-Amz-Trailer" || strings.HasPrefix(name, "X-Amz-Server-Side") {
				t.Errorf("%s has %s: %s", op, name, h.Get(name))
			}
		}
	}
	for _, op := range []string{"PutObject", "DeleteObjects"} {
		if headers[op].Get("Content-Md5") == "" {
			t.Errorf("%s has no Content-MD5", op)
		}
	}
}

func TestErrorsSayWhatTheStoreSaid(t *testing.T) {
	for _, c := range []struct {
		status int
		code   string
		want   string
		full   bool
	}{
		{http.StatusForbidden, "AccessDenied", `put "backups/a": AccessDenied: as told (status 403, request `, false},
		{http.StatusForbidden, "QuotaExceeded", `put "backups/a": no space left: QuotaExceeded: as told`, true},
		{http.StatusInsufficientStorage, "XMinioStorageFull", `put "backups/a": no space left: XMinioStorageFull: as told`, true},
	} {
		w := &wire{answer: func(_ string, r *http.Request) (*http.Response, error) { return fails(r, c.status, c.code), nil }}
		v := newVault(t, testenv.S3Server{URL: "http://127.0.0.1:1", Region: "eu-west-3", AccessKey: "the-id", SecretKey: "the-secret"}, "acme",
			func(o *Options) { o.Client = &http.Client{Transport: w} })
		err := v.Put(t.Context(), "backups/a", []byte("x"))
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("got error %v, want %s…", err, c.want)
			continue
		}
		if strings.Contains(err.Error(), "the-secret") {
			t.Errorf("the secret is in %v", err)
		}
		if c.full {
			wants(t, "put", err, holdfast.ErrFull)
		}
		if n := len(w.sent()); n != 1 {
			t.Errorf("%s: %d attempts, want one", c.code, n)
		}
	}
}

func TestAttemptsAreBounded(t *testing.T) {
	t.Parallel() // between them it waits
	w := &wire{answer: func(_ string, r *http.Request) (*http.Response, error) {
		return fails(r, http.StatusServiceUnavailable, "SlowDown"), nil
	}}
	v := newVault(t, testenv.S3Server{URL: "http://127.0.0.1:1", Region: "eu-west-3", AccessKey: "id", SecretKey: "secret"}, "acme",
		func(o *Options) { o.Client = &http.Client{Transport: w} })
	if err := v.Put(t.Context(), "backups/a", []byte("x")); code(err) != "SlowDown" {
		t.Errorf("got error %v", err)
	}
	if n := len(w.sent()); n != attempts {
		t.Errorf("%d attempts, want %d", n, attempts)
	}
}
