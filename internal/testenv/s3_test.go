package testenv_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/holdfast-backup/holdfast/internal/testenv"
)

func TestS3KeepsVersions(t *testing.T) {
	server := testenv.S3(t)
	client := server.Client()
	for _, kind := range []testenv.Bucket{{}, {Versioned: true}, {Locked: true}} {
		bucket, key := server.NewBucket(t, kind), "a/b"
		for _, body := range []string{"one", "two"} {
			if _, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(body)}); err != nil {
				t.Fatal(err)
			}
		}
		want := 1
		if kind.Versioned || kind.Locked {
			want = 2
		}
		all, err := client.ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: &bucket})
		if err != nil {
			t.Fatal(err)
		}
		if len(all.Versions) != want {
			t.Errorf("%+v: got %d versions, want %d", kind, len(all.Versions), want)
		}
	}
}
