package adopt_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/testenv"
	"github.com/holdfast-backup/holdfast/internal/vault/adopt"
)

// files makes a directory with files, whose bodies are their names.
func files(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func openDir(t *testing.T, dir string) *adopt.Dir {
	t.Helper()
	d, err := adopt.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// found returns the names that are listed, in order.
func found(t *testing.T, s adopt.Source, prefix string) []string {
	t.Helper()
	all := []string{}
	for o, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, o.Key)
	}
	slices.Sort(all)
	return all
}

func TestDirLists(t *testing.T) {
	dir := files(t, "a.zip", "My App/b.zip", "My App/deep/c.zip", "My App2/d.zip", ".holdfast/state/x", "My App/.e.zip.part", "n\nl/f.zip")
	outside := files(t, "secret.zip")
	for name, target := range map[string]string{
		"link.zip": "a.zip", "linked": "My App", "out": outside, "out.zip": filepath.Join(outside, "secret.zip"), "My App/loop": "..",
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe.zip"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"bad\xff", "bad.zip\xff"} {
		if err := os.MkdirAll(filepath.Join(dir, bad, "sub"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	d := openDir(t, dir)
	for prefix, want := range map[string][]string{
		"":           {"My App/b.zip", "My App/deep/c.zip", "My App2/d.zip", "a.zip", "n\nl/f.zip"},
		"My App":     {"My App/b.zip", "My App/deep/c.zip", "My App2/d.zip"},
		"My App/":    {"My App/b.zip", "My App/deep/c.zip"},
		"My App/b":   {"My App/b.zip"},
		"My App/b.z": {"My App/b.zip"},
		"none/":      {},
		"linked/":    {},
		"out/":       {},
		"a.zip/":     {},
	} {
		if diff := cmp.Diff(want, found(t, d, prefix)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", prefix, diff)
		}
	}
}

func TestDirOpensAndDeletesPlainFilesAlone(t *testing.T) {
	dir := files(t, "app/a.zip", "app/b.zip", ".hidden")
	outside := files(t, "secret.zip")
	for name, target := range map[string]string{"link.zip": "app/a.zip", "linked": "app", "out": outside} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe.zip"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := openDir(t, dir)
	for _, name := range []string{"link.zip", "linked/a.zip", "out/secret.zip", "../" + filepath.Base(outside) + "/secret.zip", ".hidden", "pipe.zip", "app", "none", "", "/etc/passwd", "app//a.zip"} {
		if _, err := read(t.Context(), d, name, 0, -1); !errors.Is(err, holdfast.ErrNotExist) {
			t.Errorf("open %q: got %v", name, err)
		}
		if err := d.Delete(t.Context(), name); err != nil {
			t.Errorf("delete %q: got %v", name, err)
		}
	}
	for _, left := range []string{"app/a.zip", ".hidden", "pipe.zip", "link.zip", "out"} {
		if _, err := os.Lstat(filepath.Join(dir, left)); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(filepath.Join(outside, "secret.zip")); err != nil {
		t.Error(err)
	}
	if got, err := read(t.Context(), d, "app/a.zip", 4, 3); got != "a.z" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	for range 2 {
		if err := d.Delete(t.Context(), "app/a.zip"); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff([]string{"app/b.zip"}, found(t, d, "")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, err := range d.List(t.Context(), "../") {
		if err == nil {
			t.Error("it lists what is above it")
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Delete(ended, "app/b.zip"); !errors.Is(err, context.Canceled) {
		t.Errorf("after the context has ended: got %v", err)
	}
}

func TestFilesOfADirectoryAreNotSignedFor(t *testing.T) {
	w := newWorld(t)
	v, err := adopt.New(w.bucket, adopt.Options{Entries: []adopt.Entry{spatie}, Source: openDir(t, files(t, foreign)), Now: func() time.Time { return time.Now().Add(time.Hour) }})
	if err != nil {
		t.Fatal(err)
	}
	if body, err := read(t.Context(), v, data, 0, -1); body != foreign || err != nil {
		t.Errorf("got %q, %v", body, err)
	}
	_, err = v.SignDownload(t.Context(), data, "backup.zip", time.Minute)
	if err := refused(err, holdfast.ErrNotExist, "cannot be signed for"); err != nil {
		t.Error(err)
	}
}

// What cannot be read might be backups, so half a listing is an error; lost+found
// never is.
func TestDirThatIsClosed(t *testing.T) {
	for name, want := range map[string]bool{"lost+found": true, ".closed": true, "closed": false, "app/lost+found": true} {
		dir := files(t, "a.zip", name+"/x")
		for _, open := range []string{filepath.Dir(dir), dir} { // made for root alone
			if err := os.Chmod(open, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		closed := filepath.Join(dir, name)
		if err := os.Chmod(closed, 0); err != nil {
			t.Fatal(err)
		}
		d := openDir(t, dir)
		var names []string
		var last error
		testenv.Unprivileged(t, func() {
			for o, err := range d.List(t.Context(), "") {
				names, last = append(names, o.Key), err
			}
		})
		if err := os.Chmod(closed, 0o755); err != nil { // for the cleanup
			t.Fatal(err)
		}
		if (last == nil) != want || !slices.Contains(names, "a.zip") {
			t.Errorf("%s: got %q, %v", name, names, last)
		}
	}
}
