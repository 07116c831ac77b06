package s3

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// TestWhatTheBrokerCallsReadsNothing holds the broker's part of the contract
// against the permissions in the package comment.
func TestWhatTheBrokerCallsReadsNothing(t *testing.T) {
	server := testenv.S3(t)
	w := &wire{}
	v := newVault(t, server, server.NewBucket(t, testenv.Bucket{Locked: true}), func(o *Options) {
		o.Client, o.Prefix = &http.Client{Transport: w}, "acme"
		o.Lock = &Lock{Governance: true, For: 48 * time.Hour}
	})
	ctx, body := t.Context(), []byte("a body")
	u, parts := begin(t, v, "backups/web1/crm/1/data", body)
	wants(t, "complete", v.CompleteUpload(ctx, u, parts, 6), nil)
	wants(t, "complete again", v.CompleteUpload(ctx, u, parts, 6), holdfast.ErrExist)
	other, parts := begin(t, v, "backups/web1/crm/2/data", body)
	for range v.ListUploads(ctx, "backups/") {
	}
	wants(t, "abort", v.AbortUpload(ctx, other), nil)
	wants(t, "complete what was aborted", v.CompleteUpload(ctx, other, parts, 6), holdfast.ErrNotExist)
	manifest := "backups/web1/crm/1/manifest.json"
	for _, c := range []struct {
		body string
		want error
	}{{"{}", nil}, {"{}", nil}, {"{ }", holdfast.ErrExist}} {
		wants(t, "put "+c.body, v.Put(ctx, manifest, []byte(c.body)), c.want)
	}
	keys(t, v, "backups/")
	allowed := []string{
		"ListObjectsV2", "ListMultipartUploads", "PutObject",
		"CreateMultipartUpload", "CompleteMultipartUpload", "AbortMultipartUpload",
	}
	sent := w.sent()
	for _, op := range sent {
		if !slices.Contains(allowed, op) {
			t.Errorf("it sent %s", op)
		}
	}
	if len(sent) < 10 {
		t.Errorf("saw only %v", sent)
	}
}

func TestPutTellsTheSameBytesFromOthers(t *testing.T) {
	server := testenv.S3(t)
	bucket := server.NewBucket(t, testenv.Bucket{})
	plain := newVault(t, server, bucket, nil)
	for _, c := range []struct {
		name     string
		encrypts bool // the ETag is no MD5, as with KMS
		mayRead  bool
		body     string
		want     error
		sent     []string
	}{
		{"the same, by the listing alone", false, false, "body", nil, []string{"PutObject", "ListObjectsV2"}},
		{"of another size, by the listing alone", false, false, "other", holdfast.ErrExist, []string{"PutObject", "ListObjectsV2"}},
		{"others of one size", false, true, "bodx", holdfast.ErrExist, []string{"PutObject", "ListObjectsV2", "GetObject"}},
		{"others of one size, unreadable", false, false, "bodx", holdfast.ErrExist, []string{"PutObject", "ListObjectsV2", "GetObject"}},
		{"the same, encrypted", true, true, "body", nil, []string{"PutObject", "ListObjectsV2", "GetObject"}},
		{"others, encrypted", true, true, "bodx", holdfast.ErrExist, []string{"PutObject", "ListObjectsV2", "GetObject"}},
		{"the same, encrypted and unreadable", true, false, "body", holdfast.ErrExist, []string{"PutObject", "ListObjectsV2", "GetObject"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			key := "backups/" + strings.ReplaceAll(c.name, " ", "-")
			if err := plain.Put(t.Context(), key, []byte("body")); err != nil {
				t.Fatal(err)
			}
			w := &wire{answer: func(op string, r *http.Request) (*http.Response, error) {
				switch {
				case op == "GetObject" && !c.mayRead:
					return fails(r, http.StatusForbidden, "AccessDenied"), nil
				case op == "ListObjectsV2" && c.encrypts:
					// versitygw has no KMS, whose ETags look like an MD5 and are none.
					return says(r, http.StatusOK, fmt.Sprintf(`<ListBucketResult><KeyCount>1</KeyCount><Contents><Key>%s</Key>
						<LastModified>2025-10-28T14:00:00.000Z</LastModified><ETag>&quot;%032x&quot;</ETag><Size>4</Size></Contents></ListBucketResult>`, key, 7)), nil
				}
				return nil, nil
			}}
			v := newVault(t, server, bucket, func(o *Options) { o.Client = &http.Client{Transport: w} })
			wants(t, "put", v.Put(t.Context(), key, []byte(c.body)), c.want)
			if sent := w.sent(); !slices.Equal(sent, c.sent) {
				t.Errorf("sent %v, want %v", sent, c.sent)
			}
			if r, err := plain.Open(t.Context(), key, 0, -1); err != nil {
				t.Error(err)
			} else if got, err := io.ReadAll(r); err != nil || string(got) != "body" {
				t.Errorf("it holds %q, %v", got, err)
			}
		})
	}
}

func TestAPutWhoseAnswerIsLostIsNoFailure(t *testing.T) {
	server := testenv.S3(t)
	w := losing("PutObject", 0, "")
	v := newVault(t, server, server.NewBucket(t, testenv.Bucket{}), func(o *Options) { o.Client = &http.Client{Transport: w} })
	put(t, v, "backups/a")
	if sent := w.sent(); !slices.Equal(sent, []string{"PutObject", "PutObject", "ListObjectsV2"}) {
		t.Errorf("sent %v", sent)
	}
}

// losing returns a wire that loses the answer to the first request of op, which
// the server has carried out. When it is repeated the server answers, or the wire
// with an error of that status and code.
func losing(op string, status int, code string) *wire {
	lost := false
	w := &wire{}
	w.answer = func(this string, r *http.Request) (*http.Response, error) {
		switch {
		case this != op || lost && status == 0:
			return nil, nil
		case lost:
			return fails(r, status, code), nil
		}
		lost = true
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err == nil {
			resp.Body.Close()
			err = fmt.Errorf("read: %w", io.ErrUnexpectedEOF)
		}
		return nil, err
	}
	return w
}

// TestWhatIsAskedOfTheStore looks at the headers of what is written, since
// versitygw has neither KMS nor storage classes.
func TestWhatIsAskedOfTheStore(t *testing.T) {
	server := testenv.S3(t)
	headers := map[string]http.Header{}
	w := &wire{answer: func(op string, r *http.Request) (*http.Response, error) {
		headers[op] = r.Header.Clone()
		return nil, nil
	}}
	v := newVault(t, server, server.NewBucket(t, testenv.Bucket{}), func(o *Options) {
		o.Client = &http.Client{Transport: w}
		o.StorageClass, o.KMSKey = "STANDARD_IA", "arn:aws:kms:eu-west-3:1:key/2"
	})
	u, parts := begin(t, v, "backups/a", []byte("a body"))
	wants(t, "complete", v.CompleteUpload(t.Context(), u, parts, 6), nil)
	wants(t, "put", v.Put(t.Context(), "backups/b", []byte("b")), nil)
	if _, err := v.Swap(t.Context(), "state/c", []byte("c"), ""); err != nil {
		t.Fatal(err)
	}
	if err := v.Delete(t.Context(), "backups/b"); err != nil {
		t.Fatal(err)
	}
	for op, want := range map[string]map[string]string{
		"CreateMultipartUpload": {
			"X-Amz-Storage-Class": "STANDARD_IA", "X-Amz-Server-Side-Encryption": "aws:kms",
			"X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": "arn:aws:kms:eu-west-3:1:key/2", "X-Amz-Checksum-Algorithm": "SHA256",
		},
		"PutObject": {
			"X-Amz-Storage-Class": "", "X-Amz-Server-Side-Encryption": "AES256", "If-None-Match": "*",
			"X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": "", "X-Amz-Checksum-Sha256": header(t, v, []byte("c")),
		},
		"CompleteMultipartUpload": {"If-None-Match": "*", "X-Amz-Mp-Object-Size": "6"},
		"DeleteObject":            {"X-Amz-Bypass-Governance-Retention": ""},
	} {
		for name, value := range want {
			if got := headers[op].Get(name); got != value {
				t.Errorf("%s: %s is %q, want %q", op, name, got, value)
			}
		}
	}
}

func TestEveryBackupIsLockedAndNothingElse(t *testing.T) {
	server := testenv.S3(t)
	v := newVault(t, server, server.NewBucket(t, testenv.Bucket{Locked: true}), func(o *Options) { o.Lock = &Lock{For: 48 * time.Hour} })
	u, parts := begin(t, v, "backups/web1/crm/1/data", []byte("a body"))
	wants(t, "complete", v.CompleteUpload(t.Context(), u, parts, 6), nil)
	put(t, v, "backups/web1/crm/1/manifest.json", "backups/web1/crm/1/hold.json", "reports/web1/crm/1.json")
	for key, locked := range map[string]bool{
		"backups/web1/crm/1/data": true, "backups/web1/crm/1/manifest.json": true,
		"backups/web1/crm/1/hold.json": false, "reports/web1/crm/1.json": false,
	} {
		out, err := v.client.GetObjectRetention(t.Context(), &s3.GetObjectRetentionInput{Bucket: v.bucket, Key: v.name(key)})
		if !locked {
			if err == nil {
				t.Errorf("%q is locked until %s", key, out.Retention.RetainUntilDate)
			}
			wants(t, "delete "+key, v.Delete(t.Context(), key), nil)
			continue
		}
		if err != nil {
			t.Errorf("%q is not locked: %v", key, err)
			continue
		}
		if left := time.Until(*out.Retention.RetainUntilDate); out.Retention.Mode != "COMPLIANCE" || left < 47*time.Hour || left > 49*time.Hour {
			t.Errorf("%q is locked for %s with %s", key, left, out.Retention.Mode)
		}
		wants(t, "delete "+key, v.Delete(t.Context(), key), holdfast.ErrLocked)
	}
	if got := keys(t, v, ""); !slices.Equal(got, []string{"backups/web1/crm/1/data", "backups/web1/crm/1/manifest.json"}) {
		t.Errorf("left are %v", got)
	}
}

func TestOpenAtItsEdges(t *testing.T) {
	server := testenv.S3(t)
	v := newVault(t, server, server.NewBucket(t, testenv.Bucket{}), nil)
	wants(t, "put", v.Put(t.Context(), "backups/a", []byte("0123")), nil)
	wants(t, "put", v.Put(t.Context(), "backups/empty", nil), nil)
	for _, c := range []struct {
		key       string
		offset, n int64
		want      string
	}{{"backups/a", 1, 0, ""}, {"backups/a", 3, 10, "3"}, {"backups/a", 4, -1, ""}, {"backups/a", 9, 3, ""}, {"backups/empty", 0, -1, ""}, {"backups/empty", 0, 0, ""}} {
		r, err := v.Open(t.Context(), c.key, c.offset, c.n)
		if err != nil {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		got, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, []byte(c.want)) {
			t.Errorf("%+v: got %q, %v", c, got, err)
		}
		r.Close()
	}
	if _, err := v.Open(t.Context(), "backups/none", 0, 0); err == nil {
		t.Error("no bytes of nothing: no error")
	}
}
