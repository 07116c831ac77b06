package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// What holdfast adopt says of a bucket on a real server.
func TestAdoptLooksIntoABucket(t *testing.T) {
	server := testenv.S3(t)
	t.Setenv("TEST_ADOPT_ID", server.AccessKey)
	t.Setenv("TEST_ADOPT_KEY", server.SecretKey)
	bucket := server.NewBucket(t, testenv.Bucket{})
	put := func(name string) {
		t.Helper()
		if _, err := server.Client().PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &name, Body: strings.NewReader(name)}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		at := time.Now().UTC().AddDate(0, 0, -i)
		put("acme/My App/" + at.Format("2006-01-02-15-04-05") + ".zip")
		put("acme/dj/default-web1-" + at.Format("2006-01-02-150405") + ".psql.gz")
	}
	put("acme/dj/notes.txt")
	put("acme/state/monitor.json")
	put("elsewhere/2025-10-28-02-00-00.zip") // not below the vault's prefix
	vault := fmt.Sprintf("  main:\n    s3: { bucket: %s, prefix: acme, endpoint: %q, region: %s, store: minio, access_key: env:TEST_ADOPT_ID, secret_key: env:TEST_ADOPT_KEY }\n",
		bucket, server.URL, server.Region)
	file := filepath.Join(t.TempDir(), "holdfast.yaml")
	if err := os.WriteFile(file, []byte("vaults:\n"+vault), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	root := rootCommand()
	root.SetArgs([]string{"--config", file, "adopt", "--vault", "main", "--host", "web1"})
	root.SetOut(&out)
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	text, lines, ok := strings.Cut(out.String(), "To have them watched, add to holdfast.yaml:\n\n")
	for _, want := range []string{
		"vault main\n", "web1/my-app: 0 backups", "spatie below My App\n", "    3 backups more written to in the last 10 minutes\n",
		"web1/default-web1: 0 backups", "dbbackup below dj\n", "not recognised: 1 file, 17B; such as\n    dj/notes.txt\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("does not say %q:\n%s", want, text)
		}
	}
	if !ok {
		t.Fatal("proposes nothing")
	}
	lines = strings.Replace(lines, "  main:\n", vault, 1)
	c, err := config.ParseHoldfast("holdfast.yaml", []byte(lines))
	if err != nil {
		t.Fatalf("%v\n%s", err, lines)
	}
	if len(c.Vaults["main"].Adopt) != 2 || c.Jobs["web1/my-app"].Keep != usualKeep() {
		t.Errorf("got %+v", c)
	}
}
