package config

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// bucketVault returns a holdfast.yaml with one vault, whose s3 section is given.
func bucketVault(s3 string) string {
	return "broker: { url: https://b.example, secret: ssm:/holdfast/broker-secret }\nvaults:\n  main: { s3: { " + s3 + " } }\n"
}

func TestS3Problems(t *testing.T) {
	for _, test := range []struct {
		name, s3 string
		want     []string
	}{
		{"no bucket", "region: eu-west-3", []string{"bucket: is missing"}},
		{"a name that no bucket has", "bucket: Acme", []string{`bucket: "Acme": want the name of a bucket: 3 to 63 of a-z, 0-9, hyphens and dots`}},
		{"a prefix with slashes around", "bucket: acme, prefix: /a/", []string{`prefix: "/a/": want names between slashes, with none at the ends, such as backups/holdfast`}},
		{"a prefix that climbs", "bucket: acme, prefix: a/../b", []string{`prefix: "a/../b": want names between slashes, with none at the ends, such as backups/holdfast`}},
		{"an unknown store", "bucket: acme, store: hetzer, endpoint: 'https://s.example'", []string{`store: unknown value "hetzer", did you mean "hetzner"?`}},
		{"a store without its endpoint", "bucket: acme, store: r2", []string{"endpoint: is missing; a store other than aws needs one"}},
		{"an endpoint in the clear", "bucket: acme, endpoint: 'http://s.example'", []string{"endpoint: want https; http is accepted for loopback addresses only"}},
		{"an endpoint with the bucket in it", "bucket: acme, endpoint: 'https://s.example/acme'", []string{"endpoint: want a URL without login, path, query and fragment"}},
		{"an endpoint that is a name", "bucket: acme, endpoint: s.example", []string{"endpoint: want a URL, such as https://s3.example.com"}},
		{"half an access key", "bucket: acme, access_key: 'env:ID'", []string{"secret_key: is missing; access_key needs its secret"}},
		{"the other half", "bucket: acme, secret_key: 'env:SECRET'", []string{"access_key: is missing; secret_key is the secret of one"}},
		{"an access key as it is", "bucket: acme, access_key: AKIA1, secret_key: 'env:SECRET'", []string{"access_key: want env:NAME, file:PATH or ssm:/NAME, where the secret is, not the secret itself"}},
		{"a parameter without its slash", "bucket: acme, access_key: 'ssm:id', secret_key: 'ssm:/s'", []string{"access_key: ssm: want the name of a parameter, such as /holdfast/broker-secret"}},
		{"a key of AWS elsewhere", "bucket: acme, store: minio, endpoint: 'https://s.example', kms_key: 'arn:aws:kms:x'", []string{"kms_key: only AWS has keys of KMS"}},
		{"a lock that is none", "bucket: acme, lock: { for: 1h }", []string{"lock.for: want at least 2d", "lock.mode: is missing"}},
		{"too many parts", "bucket: acme, max_parts: 10001", []string{"max_parts: want 1 to 10000"}},
		{"no parts", "bucket: acme, max_parts: 0", []string{"max_parts: want 1 to 10000"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := ParseHoldfast("h.yaml", []byte(bucketVault(test.s3)))
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("got %v, want problems", err)
			}
			var got []string
			for _, p := range problems {
				got = append(got, strings.TrimPrefix(p.Path, "vaults.main.s3.")+": "+p.Text)
			}
			slices.Sort(got)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("want - got +\n%s", diff)
			}
		})
	}
}

func TestS3Store(t *testing.T) {
	for s3, want := range map[string]string{
		"bucket: acme": "aws",
		"bucket: acme, endpoint: 'https://s.example'":               "other",
		"bucket: acme, endpoint: 'https://s.example', store: minio": "minio",
		"bucket: acme, endpoint: 'http://127.0.0.1:9000'":           "other",
	} {
		c, err := ParseHoldfast("h.yaml", []byte(bucketVault(s3)))
		if err != nil {
			t.Errorf("%s: %v", s3, err)
			continue
		}
		if got := c.Vaults["main"].S3.Store; got != want {
			t.Errorf("%s: got store %q, want %q", s3, got, want)
		}
	}
}

func TestAHostHasNoParameterStore(t *testing.T) {
	_, err := ParsePusher("p.yaml", []byte("host: web1\nbroker: https://b.example\nkey: k\nencrypt_to: none\njobs:\n  crm: { sources: [{ postgres: { url: 'postgres://u@h/d', password: 'ssm:/p' } }] }\n"))
	if err == nil || !strings.Contains(err.Error(), "want env:NAME or file:PATH, where the secret is") {
		t.Errorf("got %v", err)
	}
}
