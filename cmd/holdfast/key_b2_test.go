package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/testenv"
	"github.com/holdfast-backup/holdfast/internal/testenv/b2"
	"github.com/holdfast-backup/holdfast/internal/vault/open"
)

// keyOfB2 runs `holdfast key b2` in a directory of its own, with the account's master
// key.
func keyOfB2(t *testing.T, s *b2.Server, args ...string) (out string, err error) {
	t.Helper()
	t.Setenv("B2_APPLICATION_KEY_ID", s.Master.ID)
	t.Setenv("B2_APPLICATION_KEY", s.Master.Secret)
	root := rootCommand()
	var text bytes.Buffer
	root.SetOut(&text)
	root.SetErr(&text)
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetArgs(append([]string{"key", "b2", "--api", s.URL}, args...))
	err = root.ExecuteContext(t.Context())
	return text.String(), err
}

// hintOf returns the advice that comes with an error.
func hintOf(err error) string {
	var advice interface{ Hint() string }
	if errors.As(err, &advice) {
		return advice.Hint()
	}
	return ""
}

func TestAKeyOfB2IsMadeAndWorks(t *testing.T) {
	s := b2.New(t, testenv.Bucket{})
	t.Setenv("AWS_REGION", s.Region())
	t.Chdir(t.TempDir())
	out, err := keyOfB2(t, s, "--bucket", s.Bucket, "--prefix", "holdfast")
	if err != nil {
		t.Fatal(err)
	}
	secret, err := os.ReadFile("b2.key")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out, strings.TrimSpace(string(secret))) || strings.Contains(out, s.Master.Secret) {
		t.Error("a secret is printed")
	}
	for _, name := range []string{"b2.id", "b2.key"} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	for _, want := range []string{"# it can do all", "# it cannot lift a lock", "# whoever steals it can delete every backup", "below holdfast/", "key_id: file:b2.id"} {
		if !strings.Contains(out, want) {
			t.Errorf("not said: %q\n%s", want, out)
		}
	}
	c, err := config.ParseHoldfast(filepath.Join(t.TempDir(), "holdfast.yaml"), []byte(out+"hosts: {}\n"))
	if err != nil {
		t.Fatalf("what is printed is no configuration: %v\n%s", err, out)
	}
	vault := c.Vaults["b2"]
	vault.B2.KeyID, vault.B2.Key = "file:b2.id", "file:b2.key" // as they lie beside the file
	v, err := open.Open(t.Context(), vault, open.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Put(t.Context(), "reports/a", []byte("x")); err != nil {
		t.Error(err)
	}
	if err := v.Delete(t.Context(), "reports/a"); err != nil {
		t.Error(err)
	}
	before := s.Calls()
	if _, err = keyOfB2(t, s, "--bucket", s.Bucket); err == nil || !strings.Contains(err.Error(), `write "b2.id": it exists already`) || s.Calls()["b2_create_key"] != 0 {
		t.Errorf("over another: got %v, after %v", err, before)
	}
}

func TestAKeyOfB2ForAPart(t *testing.T) {
	s := b2.New(t, testenv.Bucket{})
	t.Chdir(t.TempDir())
	for role, capabilities := range map[string]int{"broker": 3, "retention": 7, "monitor": 4, "restore": 4} {
		out, err := keyOfB2(t, s, "--bucket", s.Bucket, "--for", role, "--json")
		if err != nil {
			t.Fatal(err)
		}
		var said struct {
			For, ID      string
			Capabilities []string
			Files        []string
			Warnings     []string
		}
		if err := json.Unmarshal([]byte(out), &said); err != nil {
			t.Fatal(err)
		}
		if said.For != role || len(said.Capabilities) != capabilities || said.Files[1] != "b2-"+role+".key" {
			t.Errorf("%s: got %+v", role, said)
		}
		if (role == "monitor") != (len(said.Warnings) == 1) {
			t.Errorf("%s: warnings %q", role, said.Warnings)
		}
	}
}

func TestAKeyOfB2IsRefused(t *testing.T) {
	s := b2.New(t, testenv.Bucket{})
	t.Chdir(t.TempDir())
	days := 1
	s.SetLifecycle(b2.LifecycleRule{DeleteHidden: &days})
	if out, err := keyOfB2(t, s, "--bucket", s.Bucket, "--out", "first"); err != nil || !strings.Contains(out, "# WARNING: the lifecycle rule") {
		t.Errorf("a rule that deletes: got %v\n%s", err, out)
	}
	s.SetBucketType("allPublic")
	for name, c := range map[string]struct {
		args []string
		want string
		hint string
	}{
		"a public bucket": {[]string{"--bucket", s.Bucket}, "is public", "private"},
		"no bucket":       {[]string{"--bucket", "there-is-none"}, "does not exist", ""},
		"another role":    {[]string{"--bucket", s.Bucket, "--for", "everything"}, `--for: role "everything": want broker, retention, monitor, restore or all`, ""},
	} {
		_, err := keyOfB2(t, s, c.args...)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(hintOf(err), c.hint) {
			t.Errorf("%s: got %v, hint %q", name, err, hintOf(err))
		}
	}
	if found, _ := filepath.Glob("b2*"); len(found) > 0 {
		t.Errorf("left: %q", found)
	}
	least := s.NewKey(t, "", "listBuckets")
	s.SetBucketType("allPrivate")
	master := s.Master
	s.Master = least
	_, err := keyOfB2(t, s, "--bucket", s.Bucket)
	s.Master = master
	if err == nil || !strings.Contains(err.Error(), "needs the capability writeKeys") {
		t.Errorf("with a key that makes none: got %v", err)
	}
}
