package s3

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// TestASignedPartTakesNothingElse tries what somebody who has taken over a host
// can do with a signed part.
func TestASignedPartTakesNothingElse(t *testing.T) {
	server := testenv.S3(t)
	for _, store := range []string{"aws", "other"} {
		v := newVault(t, server, server.NewBucket(t, testenv.Bucket{Versioned: true}), func(o *Options) { o.Store = preset(t, store) })
		put(t, v, "backups/web1/crm/other")
		body, other := []byte("a body"), []byte("b body")
		checksum := map[string]string{"aws": "X-Amz-Checksum-Sha256", "other": "Content-Md5"}[store]
		for _, c := range []struct {
			name   string
			body   []byte
			change func(r *http.Request)
			code   string // S3's word for the refusal
		}{
			{"other bytes", other, nil, ""},
			{"a longer body", []byte("a body and more"), nil, "SignatureDoesNotMatch"},
			{"a shorter body", []byte("a"), nil, "SignatureDoesNotMatch"},
			{"no body", nil, nil, ""},
			{"no checksum", body, func(r *http.Request) { r.Header.Del(checksum) }, "SignatureDoesNotMatch"},
			{"no checksum, other bytes", other, func(r *http.Request) { r.Header.Del(checksum) }, "SignatureDoesNotMatch"},
			{"the checksum of other bytes", other, func(r *http.Request) { r.Header.Set(checksum, header(t, v, other)) }, "SignatureDoesNotMatch"},
			{"another checksum beside it", body, func(r *http.Request) { r.Header.Set("x-amz-checksum-crc32", "AAAAAA==") }, "AccessDenied"},
			{"a copy of another object", nil, func(r *http.Request) {
				r.Header.Set("x-amz-copy-source", *v.bucket+"/backups/web1/crm/other")
			}, ""},
			{"a copy, with the signed body", body, func(r *http.Request) {
				r.Header.Set("x-amz-copy-source", *v.bucket+"/backups/web1/crm/other")
			}, "AccessDenied"},
			{"an access list", body, func(r *http.Request) { r.Header.Set("x-amz-acl", "public-read") }, "AccessDenied"},
			{"metadata", body, func(r *http.Request) { r.Header.Set("x-amz-meta-a", "b") }, "AccessDenied"},
			{"a lock of its own", body, func(r *http.Request) { r.Header.Set("x-amz-object-lock-mode", "COMPLIANCE") }, "AccessDenied"},
			{"another encoding of the body", body, func(r *http.Request) {
				r.Header.Set("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
			}, "AccessDenied"},
			{"of unknown length", body, func(r *http.Request) { r.ContentLength, r.Body = -1, io.NopCloser(strings.NewReader("a body")) }, ""},
			{"as an object instead of a part", body, func(r *http.Request) {
				q := r.URL.Query()
				q.Del("partNumber")
				q.Del("uploadId")
				r.URL.RawQuery = q.Encode()
			}, "SignatureDoesNotMatch"},
			{"a list of the bucket", nil, func(r *http.Request) {
				r.Method, r.URL.Path = http.MethodGet, "/"+*v.bucket
			}, "SignatureDoesNotMatch"},
		} {
			t.Run(store+", "+c.name, func(t *testing.T) {
				u, err := v.StartUpload(t.Context(), "backups/web1/crm/object")
				if err != nil {
					t.Fatal(err)
				}
				r, err := v.SignPart(t.Context(), u, part(v, 1, body), time.Hour)
				if err != nil {
					t.Fatal(err)
				}
				status, code, _ := send(t, r, c.body, c.change)
				if status < 400 {
					t.Fatalf("it was taken, with status %d", status)
				}
				if c.code != "" && code != c.code {
					t.Errorf("refused with %s, want %s", code, c.code)
				}
				if u, err := v.client.ListParts(t.Context(), listParts(v, u)); err != nil || len(u.Parts) > 0 {
					t.Errorf("%d parts are there (%v), want none", len(u.Parts), err)
				}
				// And what was signed still goes.
				if status, code, _ := send(t, r, body, nil); status != http.StatusOK {
					t.Errorf("the signed part: status %d %s", status, code)
				}
				wants(t, "abort", v.AbortUpload(t.Context(), u), nil)
			})
		}
	}
}

func TestSigningSendsNothing(t *testing.T) {
	w := &wire{answer: func(op string, _ *http.Request) (*http.Response, error) { return nil, errors.New("sent " + op) }}
	v := newVault(t, testenv.S3Server{URL: "https://s3.example", Region: "eu-west-3", AccessKey: "id", SecretKey: "the-secret"}, "acme",
		func(o *Options) { o.Client = &http.Client{Transport: w} })
	u := holdfast.Upload{Key: "backups/a", ID: "upload"}
	r, err := v.SignPart(t.Context(), u, part(v, 1, []byte("x")), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Header) != 1 || r.Header["X-Amz-Checksum-Sha256"] == "" {
		t.Errorf("the headers to send are %v, want the checksum alone", r.Header)
	}
	if signed := query(t, r).Get("X-Amz-SignedHeaders"); signed != "content-length;host;x-amz-checksum-sha256" {
		t.Errorf("signed are %s", signed)
	}
	d, err := v.SignDownload(t.Context(), "backups/a", `we"ird; name=ä.sql`, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Header) != 0 {
		t.Errorf("a download wants the headers %v, and a browser sends none", d.Header)
	}
	if signed := query(t, d).Get("X-Amz-SignedHeaders"); signed != "host" {
		t.Errorf("signed are %s", signed)
	}
	if strings.Contains(r.URL+d.URL, "the-secret") {
		t.Error("a URL holds the secret")
	}
	if sent := w.sent(); len(sent) > 0 {
		t.Errorf("sent %v", sent)
	}
}

func TestOnAWSTheBucketIsAHostName(t *testing.T) {
	v := newVault(t, testenv.S3Server{Region: "eu-west-3", AccessKey: "id", SecretKey: "secret"}, "acme", func(o *Options) {
		o.Store.PathStyle, o.Prefix = false, "own"
	})
	r, err := v.SignDownload(t.Context(), "backups/a b", "a", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if want := "https://acme.s3.eu-west-3.amazonaws.com/own/backups/a%20b?"; !strings.HasPrefix(r.URL, want) {
		t.Errorf("got %s, want %s…", r.URL, want)
	}
}

func TestSigningCountsByTheVaultsClockAndTheCredentials(t *testing.T) {
	now := time.Date(2025, 10, 28, 14, 0, 0, 999, time.UTC)
	ends := now.Add(10 * time.Minute)
	v := newVault(t, testenv.S3Server{URL: "https://s3.example", Region: "eu-west-3"}, "acme", func(o *Options) {
		o.Now = func() time.Time { return now }
		o.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "id", SecretAccessKey: "secret", SessionToken: "token", CanExpire: true, Expires: time.Now().Add(time.Hour)}, nil
		})
	})
	r, err := v.SignDownload(t.Context(), "backups/a", "a", 15*time.Minute+time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if q := query(t, r); q.Get("X-Amz-Date") != "20251028T140000Z" || q.Get("X-Amz-Expires") != "900" || q.Get("X-Amz-Security-Token") != "token" {
		t.Errorf("signed %v", q)
	}
	if want := now.Truncate(time.Second).Add(15 * time.Minute); !r.Expires.Equal(want) {
		t.Errorf("it expires %s, want %s", r.Expires, want)
	}
	s := &signer{now: now, ttl: time.Hour}
	req, _ := http.NewRequest(http.MethodGet, "https://s3.example/a", nil)
	credentials := aws.Credentials{AccessKeyID: "id", SecretAccessKey: "secret", CanExpire: true, Expires: ends}
	if _, _, err := s.PresignHTTP(t.Context(), credentials, req, "UNSIGNED-PAYLOAD", "s3", "eu-west-3", now); err != nil {
		t.Fatal(err)
	}
	if want := ends.Truncate(time.Second); !s.expires.Equal(want) {
		t.Errorf("it expires %s, want %s, as the credentials do", s.expires, want)
	}
}

func TestSigningRefuses(t *testing.T) {
	signs := func(store string) *Vault {
		return newVault(t, testenv.S3Server{URL: "https://s3.example", Region: "eu-west-3", AccessKey: "id", SecretKey: "secret"}, "acme", func(o *Options) {
			o.Store = preset(t, store)
		})
	}
	v, equal := signs("aws"), signs("r2")
	u, good := holdfast.Upload{Key: "backups/a", ID: "upload"}, part(v, 1, []byte("x"))
	for name, c := range map[string]struct {
		upload holdfast.Upload
		change func(p *holdfast.Part)
		ttl    time.Duration
	}{
		"part 0":                    {u, func(p *holdfast.Part) { p.Number = 0 }, time.Hour},
		"part 10001":                {u, func(p *holdfast.Part) { p.Number = 10001 }, time.Hour},
		"an empty part":             {u, func(p *holdfast.Part) { p.Size = 0 }, time.Hour},
		"one larger than its place": {u, func(p *holdfast.Part) { p.Size = holdfast.PartSize(1, 10000) + 1 }, time.Hour},
		"a checksum cut short":      {u, func(p *holdfast.Part) { p.Sum = p.Sum[:62] }, time.Hour},
		"one that is no hex":        {u, func(p *holdfast.Part) { p.Sum = strings.Repeat("x", 64) }, time.Hour},
		"upper case":                {u, func(p *holdfast.Part) { p.Sum = strings.ToUpper(p.Sum) }, time.Hour},
		"no upload":                 {holdfast.Upload{Key: "backups/a"}, nil, time.Hour},
		"no key":                    {holdfast.Upload{ID: "upload"}, nil, time.Hour},
		"a key that climbs out":     {holdfast.Upload{Key: "../a", ID: "upload"}, nil, time.Hour},
		"for less than a second":    {u, nil, time.Second - 1},
		"for more than a week":      {u, nil, 8 * 24 * time.Hour},
	} {
		p := good
		if c.change != nil {
			c.change(&p)
		}
		if r, err := v.SignPart(t.Context(), c.upload, p, c.ttl); err == nil {
			t.Errorf("%s: signed %s", name, r.URL)
		}
	}
	later := good
	later.Number = 3001
	for _, p := range []holdfast.Part{good, later} {
		if _, err := v.SignPart(t.Context(), u, p, time.Hour); err != nil {
			t.Errorf("part %d: %v", p.Number, err)
		}
	}
	// Which has not the size of the first, where all must have one.
	_, err := equal.SignPart(t.Context(), u, later, time.Hour)
	wants(t, "sign part 3001", err, holdfast.ErrFull)
}

func query(t *testing.T, r holdfast.Request) url.Values {
	t.Helper()
	u, err := url.Parse(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

// header returns the checksum of body as the vault's store has it in a header.
func header(t *testing.T, v *Vault, body []byte) string {
	t.Helper()
	sum, err := v.checkPart(part(v, 1, body))
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func listParts(v *Vault, u holdfast.Upload) *s3.ListPartsInput {
	return &s3.ListPartsInput{Bucket: v.bucket, Key: v.name(u.Key), UploadId: &u.ID}
}

// A page has to show itself in a browser, which is told only by what the store answers.
func TestASignedPageIsShownAndNotSaved(t *testing.T) {
	server := testenv.S3(t)
	v := newVault(t, server, server.NewBucket(t, testenv.Bucket{}), func(*Options) {})
	const page = "<!doctype html><title>Holdfast</title>"
	if _, err := v.Swap(t.Context(), "state/status.html", []byte(page), ""); err != nil {
		t.Fatal(err)
	}
	r, err := v.SignPage(t.Context(), "state/status.html", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Header) > 0 {
		t.Errorf("a browser would have to send %v", r.Header)
	}
	get := func(url string) (*http.Response, string) {
		t.Helper()
		resp, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, string(body)
	}
	resp, body := get(r.URL)
	if body != page || resp.Header.Get("Content-Type") != "text/html; charset=utf-8" || resp.Header.Get("Content-Disposition") != "inline" {
		t.Errorf("got %q with %v", body, resp.Header)
	}
	if resp, body := get(strings.Replace(r.URL, "status.html", "monitor.json", 1)); resp.StatusCode != http.StatusForbidden {
		t.Errorf("the signature opens another key: %s %q", resp.Status, body)
	}
}
