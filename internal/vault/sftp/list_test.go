package sftp

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/testenv"
	"github.com/holdfast-backup/holdfast/internal/vault/disk"
)

// lay makes files in the server's directory and returns their keys in order.
func lay(t testing.TB, s *testenv.SSHD, count int) (all []string) {
	t.Helper()
	for i := range count / 2 {
		dir := fmt.Sprintf("backups/host-%d/job%d/20251028T140000Z-%08x/", i%3, i%2, i)
		if err := os.MkdirAll(filepath.Join(s.Dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{"crm.sql.zst.age", "manifest.json"} {
			if err := os.WriteFile(filepath.Join(s.Dir, dir+file), []byte(dir), 0o644); err != nil {
				t.Fatal(err)
			}
			all = append(all, dir+file)
		}
	}
	slices.Sort(all)
	return all
}

func TestAListingOfFiveThousandObjects(t *testing.T) {
	s := testenv.StartSSHD(t, testenv.SSHDOptions{})
	v := open(t, options(s))
	want := lay(t, s, 5000)
	if got := keys(t, v.List(t.Context(), "")); !slices.Equal(got, want) {
		t.Fatalf("got %d keys, want %d: %s", len(got), len(want), cmp.Diff(got, want))
	}
	local, err := disk.New(s.Dir, disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	var remote, near []holdfast.Object
	for o, err := range v.List(t.Context(), "backups/host-1/") {
		if err != nil {
			t.Fatal(err)
		}
		remote = append(remote, o)
	}
	for o, err := range local.List(t.Context(), "backups/host-1/") {
		if err != nil {
			t.Fatal(err)
		}
		o.ModTime = o.ModTime.Truncate(1e9) // the protocol's version 3 has seconds
		near = append(near, o)
	}
	if diff := cmp.Diff(near, remote); diff != "" || len(near) == 0 {
		t.Errorf("as a disk vault, and by SFTP:\n%s", diff)
	}
	first := 0
	for _, err := range v.List(t.Context(), "") {
		if first++; err != nil || first == 3 {
			break // the rest is not waited for
		}
	}
	if first != 3 {
		t.Errorf("got %d objects and then an error", first)
	}
}

func BenchmarkList(b *testing.B) {
	s := testenv.StartSSHD(b, testenv.SSHDOptions{})
	v := open(b, options(s))
	lay(b, s, 5000)
	for b.Loop() {
		if got := keys(b, v.List(b.Context(), "")); len(got) != 5000 {
			b.Fatalf("got %d keys", len(got))
		}
	}
}

func TestLinksAreNotFollowed(t *testing.T) {
	s := testenv.StartSSHD(t, testenv.SSHDOptions{})
	v := open(t, options(s))
	outside := filepath.Join(filepath.Dir(s.Dir), "outside")
	for _, dir := range []string{outside, filepath.Join(s.Dir, "backups", "real")} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "file"), []byte("a body"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(s.Dir, "backups"), 0o777); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"out": "../../outside", "in": "real", "file": "real/file"} {
		if err := os.Symlink(to, filepath.Join(s.Dir, "backups", name)); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := keys(t, v.List(t.Context(), "")), []string{"backups/real/file"}; !cmp.Equal(got, want) {
		t.Errorf("listed: %q, want %q", got, want)
	}
	if got := keys(t, v.List(t.Context(), "backups/out/")); len(got) > 0 {
		t.Errorf("listed behind a link: %q", got)
	}
	for _, key := range []string{"backups/out/file", "backups/in/file", "backups/file"} {
		if r, err := v.Open(t.Context(), key, 0, -1); err == nil {
			r.Close()
			t.Errorf("open %s: no error", key)
		}
		if err := v.Delete(t.Context(), key); err != nil {
			t.Errorf("delete %s: %v", key, err)
		}
	}
	for _, key := range []string{"backups/out/new", "backups/in/new"} {
		if err := v.Put(t.Context(), key, []byte("x")); err == nil {
			t.Errorf("put %s: no error", key)
		}
		u, err := v.StartUpload(t.Context(), key)
		if err != nil {
			continue
		}
		p := split([]byte("x"))
		if err := v.SendPart(t.Context(), u, p[0], strings.NewReader("x")); err == nil {
			if err := v.CompleteUpload(t.Context(), u, p, 1); err == nil {
				t.Errorf("upload to %s: no error", key)
			}
		}
	}
	if names, err := os.ReadDir(outside); err != nil || len(names) != 1 {
		t.Errorf("outside there is %v, %v", names, err)
	}
}

func TestTheVaultsOwnNamesAreNoKeys(t *testing.T) {
	v := open(t, options(testenv.StartSSHD(t, testenv.SSHDOptions{})))
	for _, key := range []string{".tmp/probe", ".uploads/x", "../outside", "/etc/passwd", "a/../../b", "backups/.x.begun/y", "a//b", "a\\b", "a\x00b", ""} {
		if err := v.Put(t.Context(), key, nil); err == nil {
			t.Errorf("put %q: no error", key)
		}
		if _, err := v.StartUpload(t.Context(), key); err == nil {
			t.Errorf("start upload of %q: no error", key)
		}
		if err := firstError(v.List(t.Context(), key+"/")); err != nil {
			t.Errorf("list below %q: %v", key, err)
		}
	}
	if got := keys(t, v.List(context.WithoutCancel(t.Context()), "../")); len(got) > 0 {
		t.Errorf("listed above the root: %q", got)
	}
}
