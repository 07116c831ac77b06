package b2_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/testenv"
	"github.com/holdfast-backup/holdfast/internal/testenv/b2"
	vault "github.com/holdfast-backup/holdfast/internal/vault/b2"
)

// The stand-in's address says no region, as B2's own does.
func TestMain(m *testing.M) {
	if err := os.Setenv("AWS_REGION", "eu-west-3"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// client is a program that speaks to B2, with a key and a place of its own.
type client struct {
	t      *testing.T
	server *b2.Server
	dir    string
	args   []string // of every call
	env    []string
}

// run runs the program and returns its output.
func (c client) run(args ...string) string {
	c.t.Helper()
	out, err := c.try(args...)
	if err != nil {
		c.t.Fatalf("%q: %v\n%s", args, err, out)
	}
	return out
}

// refused runs the program, which has to fail and say so.
func (c client) refused(want string, args ...string) {
	c.t.Helper()
	if out, err := c.try(args...); err == nil || !strings.Contains(out, want) {
		c.t.Errorf("%q: got %v, want a failure with %q\n%s", args, err, want, out)
	}
}

func (c client) try(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.args[0], append(slices.Clone(c.args[1:]), args...)...)
	cmd.Dir, cmd.Env = c.dir, append(append(os.Environ(), "HOME="+c.dir), c.env...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	if err != nil {
		return out.String() + errOut.String(), err
	}
	return out.String(), nil
}

// write makes a file for the program.
func (c client) write(name string, body []byte) string {
	c.t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.WriteFile(path, body, 0o600); err != nil {
		c.t.Fatal(err)
	}
	return path
}

func (c client) file(name string) string {
	c.t.Helper()
	body, err := os.ReadFile(filepath.Join(c.dir, name))
	if err != nil {
		c.t.Fatal(err)
	}
	return string(body)
}

// newRclone returns rclone's B2 backend. Its configuration is in the environment.
func newRclone(t *testing.T, s *b2.Server, k b2.Key) client {
	return client{t, s, t.TempDir(), []string{testenv.LookPath(t, "rclone", "rclone"), "--config=/dev/null", "--retries=1", "--low-level-retries=3"}, []string{
		"RCLONE_CONFIG_B2_TYPE=b2", "RCLONE_CONFIG_B2_ACCOUNT=" + k.ID, "RCLONE_CONFIG_B2_KEY=" + k.Secret, "RCLONE_CONFIG_B2_ENDPOINT=" + s.URL,
	}}
}

// newOfficial returns Backblaze's own command line, which knows only Backblaze's
// addresses: the only thing that is changed in it.
func newOfficial(t *testing.T, s *b2.Server, k b2.Key) client {
	testenv.LookPath(t, "backblaze-b2", "backblaze-b2")
	const start = `import os, sys
from b2.account_info.abstract import AbstractAccountInfo
AbstractAccountInfo.REALM_URLS["production"] = os.environ["REALM"]
sys.argv[0] = "b2"
from b2.console_tool import main
main()`
	c := client{t, s, t.TempDir(), []string{testenv.LookPath(t, "python3", "/usr/bin/python3"), "-W", "ignore", "-c", start}, nil}
	c.env = []string{"REALM=" + s.URL, "B2_ACCOUNT_INFO=" + filepath.Join(c.dir, "account")}
	c.run("authorize-account", k.ID, k.Secret)
	return c
}

// capabilities returns those that a role's key has.
func capabilities(t *testing.T, role string) []string {
	t.Helper()
	r, err := vault.RoleOf(role)
	if err != nil {
		t.Fatal(err)
	}
	return r.Capabilities
}

// newVault returns Holdfast's own vault in the bucket, without a prefix.
func newVault(t *testing.T, s *b2.Server) *vault.Vault {
	t.Helper()
	k := s.NewKey(t, "", capabilities(t, "all")...)
	v, err := vault.New(vault.Options{Bucket: s.Bucket, KeyID: k.ID, Key: secret.New(k.Secret), API: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func read(t *testing.T, v *vault.Vault, key string) string {
	t.Helper()
	r, err := v.Open(t.Context(), key, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	body, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// large is a body of several parts, each at least as large as parts have to be.
func large() []byte { return bytes.Repeat([]byte("0123456789abcde\n"), 13<<16) } // 13 MiB

func TestRclone(t *testing.T) {
	t.Parallel()
	s := b2.New(t, testenv.Bucket{})
	v := newVault(t, s)
	c := newRclone(t, s, s.Master)
	root := "b2:" + s.Bucket
	if got := c.run("lsd", "b2:"); !strings.Contains(got, s.Bucket) {
		t.Errorf("buckets: got %q", got)
	}
	body := large()
	c.write("small.txt", []byte("one"))
	c.write("large.bin", body)
	c.run("copyto", "small.txt", root+"/dir/a small + file ä.txt")
	c.run("copyto", "--b2-upload-cutoff=6M", "--b2-chunk-size=6M", "large.bin", root+"/dir/large.bin")
	if calls := s.Calls(); calls["b2_upload_part"] != 3 || calls["b2_finish_large_file"] != 1 || calls["b2_upload_file"] != 1 {
		t.Errorf("calls: %v", calls)
	}

	t.Run("what rclone stored, Holdfast reads", func(t *testing.T) {
		if got := read(t, v, "dir/a small + file ä.txt"); got != "one" {
			t.Errorf("small: got %q", got)
		}
		if got := read(t, v, "dir/large.bin"); got != string(body) {
			t.Errorf("large: got %d bytes", len(got))
		}
	})
	t.Run("what Holdfast stored, rclone reads and checks", func(t *testing.T) {
		if err := v.Put(t.Context(), "backups/m.json", []byte(`{"format":1}`)); err != nil {
			t.Fatal(err)
		}
		if got := c.run("cat", root+"/backups/m.json"); got != `{"format":1}` {
			t.Errorf("got %q", got)
		}
		if got, want := c.run("sha1sum", root+"/backups/m.json"), fmt.Sprintf("%x  m.json\n", sha1.Sum([]byte(`{"format":1}`))); got != want {
			t.Errorf("sha1sum: got %q, want %q", got, want)
		}
	})
	t.Run("ranges, checks and lists", func(t *testing.T) {
		if got := c.run("cat", "--offset=16", "--count=10", root+"/dir/large.bin"); got != "0123456789" {
			t.Errorf("range: got %q", got)
		}
		c.run("check", "--download", "--one-way", c.dir, root+"/dir", "--include=large.bin")
		if got := c.run("lsf", "-R", "--files-only", root); got != "backups/m.json\ndir/a small + file ä.txt\ndir/large.bin\n" {
			t.Errorf("list: got %q", got)
		}
		if got := c.run("lsf", root); got != "backups/\ndir/\n" {
			t.Errorf("folders: got %q", got)
		}
	})
	t.Run("versions, hidden and back", func(t *testing.T) {
		c.write("small.txt", []byte("two, longer"))
		c.run("copyto", "small.txt", root+"/dir/v.txt")
		c.write("small.txt", []byte("three, longer still"))
		c.run("copyto", "small.txt", root+"/dir/v.txt")
		c.run("deletefile", root+"/dir/v.txt") // hides
		if got := c.run("lsf", root+"/dir", "--include=v*"); got != "" {
			t.Errorf("a hidden name is listed: %q", got)
		}
		if got := c.run("lsf", "--b2-versions", root+"/dir", "--include=v*"); strings.Count(got, "\n") != 2 {
			t.Errorf("versions: got %q", got)
		}
		if got := read(t, v, "dir/v.txt"); got != "two, longer" {
			t.Errorf("Holdfast reads %q, want the oldest version", got)
		}
		c.run("cleanup", root+"/dir")
		if got := c.run("lsf", "--b2-versions", root+"/dir", "--include=v*"); got != "" {
			t.Errorf("after the clean-up: %q", got)
		}
	})
	t.Run("a link", func(t *testing.T) {
		answer, err := http.Get(strings.TrimSpace(c.run("link", "--expire=1h", root+"/dir/large.bin")))
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if got, err := io.ReadAll(answer.Body); err != nil || !bytes.Equal(got, body) {
			t.Errorf("got %d bytes, %v", len(got), err)
		}
	})
	t.Run("hard deletion", func(t *testing.T) {
		c.run("--b2-hard-delete", "deletefile", root+"/dir/large.bin")
		if got := c.run("lsf", "--b2-versions", root+"/dir", "--include=large*"); got != "" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("with a key that may not", func(t *testing.T) {
		broker := newRclone(t, s, s.NewKey(t, "dir/", capabilities(t, "broker")...))
		broker.run("lsf", root+"/dir")
		broker.refused("unauthorized", "lsf", root+"/backups")
		broker.refused("401 unauthorized", "copy", root+"/dir", broker.dir, "--include=a small*")
		broker.refused("unauthorized", "--b2-hard-delete", "delete", root+"/dir", "--include=a small*")
	})
	t.Run("through a storm", func(t *testing.T) {
		failed := 0
		s.FailWith(func(op string, _ *http.Request) *b2.Fault {
			if op == "b2_upload_file" && failed < 2 {
				failed++
				return &b2.Fault{Status: 503, Code: "service_unavailable", Message: "no tomes available"}
			}
			return nil
		})
		defer s.FailWith(nil)
		s.ExpireTokens()
		c.run("copyto", "small.txt", root+"/dir/stormy.txt")
	})
}

func TestTheOfficialCommandLine(t *testing.T) {
	t.Parallel()
	s := b2.New(t, testenv.Bucket{})
	v := newVault(t, s)
	c := newOfficial(t, s, s.Master)
	if got := c.run("list-buckets"); !strings.Contains(got, s.BucketID) || !strings.Contains(got, "allPrivate") {
		t.Errorf("buckets: got %q", got)
	}
	body := large()
	c.write("small.txt", []byte("one"))
	c.write("large.bin", body)
	c.run("upload-file", "--noProgress", "--info", "color=blue and green", s.Bucket, "small.txt", "dir/a small + file ä.txt")
	c.run("upload-file", "--noProgress", "--minPartSize", "5242880", s.Bucket, "large.bin", "dir/large.bin")
	found := list(t, c.run("list-file-versions", s.Bucket))
	if len(found) != 2 || found[0].Info["color"] != "blue and green" || found[1].Size != int64(len(body)) {
		t.Fatalf("list: got %+v", found)
	}

	t.Run("what it stored, Holdfast reads", func(t *testing.T) {
		if got := read(t, v, "dir/a small + file ä.txt"); got != "one" {
			t.Errorf("small: got %q", got)
		}
		if got := read(t, v, "dir/large.bin"); got != string(body) {
			t.Errorf("large: got %d bytes", len(got))
		}
	})
	t.Run("what Holdfast stored, it reads and checks", func(t *testing.T) {
		if err := v.Put(t.Context(), "backups/m.json", []byte(`{"format":1}`)); err != nil {
			t.Fatal(err)
		}
		c.run("download-file-by-name", "--noProgress", s.Bucket, "backups/m.json", "got.json")
		if got := c.file("got.json"); got != `{"format":1}` {
			t.Errorf("got %q", got)
		}
		c.run("download-file-by-id", "--noProgress", found[1].ID, "got.bin")
		if got := c.file("got.bin"); got != string(body) {
			t.Errorf("by id: got %d bytes", len(got))
		}
	})
	t.Run("versions, hidden and deleted", func(t *testing.T) {
		c.write("small.txt", []byte("two"))
		c.run("upload-file", "--noProgress", s.Bucket, "small.txt", "dir/v.txt")
		c.write("small.txt", []byte("three"))
		c.run("upload-file", "--noProgress", s.Bucket, "small.txt", "dir/v.txt")
		c.run("hide-file", s.Bucket, "dir/v.txt")
		c.refused("already hidden", "hide-file", s.Bucket, "dir/v.txt")
		if got := c.run("ls", s.Bucket, "dir"); strings.Contains(got, "v.txt") {
			t.Errorf("a hidden name is listed: %q", got)
		}
		if got := c.run("ls", "--long", "--versions", s.Bucket, "dir"); strings.Count(got, "v.txt") != 3 || !strings.Contains(got, "hide") {
			t.Errorf("versions: got %q", got)
		}
		if got := read(t, v, "dir/v.txt"); got != "two" {
			t.Errorf("Holdfast reads %q, want the oldest version", got)
		}
		for _, one := range list(t, c.run("list-file-versions", s.Bucket, "dir/v.txt")) {
			c.run("delete-file-version", one.Name, one.ID)
		}
		if got := c.run("ls", "--versions", s.Bucket, "dir"); strings.Contains(got, "v.txt") {
			t.Errorf("after deletion: %q", got)
		}
		c.refused("not present", "delete-file-version", "dir/v.txt", found[0].ID)
	})
	t.Run("unfinished large files", func(t *testing.T) {
		u, err := v.StartUpload(t.Context(), "backups/begun")
		if err != nil {
			t.Fatal(err)
		}
		if got := c.run("list-unfinished-large-files", s.Bucket); !strings.Contains(got, u.ID) {
			t.Errorf("got %q, want %s", got, u.ID)
		}
		c.run("cancel-large-file", u.ID)
		for left, err := range v.ListUploads(t.Context(), "") {
			t.Errorf("left: %+v, %v", left, err)
		}
	})
	t.Run("a download authorization", func(t *testing.T) {
		answer, err := http.Get(strings.TrimSpace(c.run("get-download-url-with-auth", "--duration", "60", s.Bucket, "dir/large.bin")))
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if got, err := io.ReadAll(answer.Body); err != nil || !bytes.Equal(got, body) {
			t.Errorf("got %d bytes, %v", len(got), err)
		}
	})
	t.Run("a key that may not", func(t *testing.T) {
		made := strings.Fields(c.run("create-key", "--bucket", s.Bucket, "--namePrefix", "dir/", "least", strings.Join(capabilities(t, "broker"), ",")))
		if len(made) != 2 {
			t.Fatalf("create-key: got %q", made)
		}
		if got := c.run("list-keys", "--long"); !strings.Contains(got, made[0]) || !strings.Contains(got, "writeFiles") {
			t.Errorf("keys: got %q", got)
		}
		least := newOfficial(t, s, b2.Key{ID: made[0], Secret: made[1]})
		least.write("more.txt", []byte("more"))
		least.run("upload-file", "--noProgress", s.Bucket, "more.txt", "dir/more.txt")
		least.refused("nauthorized", "upload-file", "--noProgress", s.Bucket, "more.txt", "elsewhere.txt")
		least.refused("nauthorized", "download-file-by-name", "--noProgress", s.Bucket, "dir/more.txt", "got")
		least.refused("nauthorized", "delete-file-version", found[0].Name, found[0].ID)
		least.refused("nauthorized", "list-keys")
		c.run("delete-key", made[0])
		least.refused("nauthorized", "upload-file", "--noProgress", s.Bucket, "more.txt", "dir/more2.txt")
	})
	t.Run("lifecycle rules", func(t *testing.T) {
		rule := `[{"fileNamePrefix":"","daysFromHidingToDeleting":1,"daysFromUploadingToHiding":null}]`
		c.run("update-bucket", "--lifecycleRules", rule, s.Bucket, "allPrivate")
		settings, err := v.Settings(t.Context())
		if err != nil || len(settings.Wrong) != 1 {
			t.Errorf("got %+v, %v", settings, err)
		}
	})
	t.Run("an expired token is renewed", func(t *testing.T) {
		s.ExpireTokens()
		c.run("ls", s.Bucket)
	})
}

// listed is what the command line shows of a version.
type listed struct {
	ID   string            `json:"fileId"`
	Name string            `json:"fileName"`
	Size int64             `json:"size"`
	Info map[string]string `json:"fileInfo"`
}

func list(t *testing.T, text string) []listed {
	t.Helper()
	var all struct{ Files []listed }
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return all.Files
}
