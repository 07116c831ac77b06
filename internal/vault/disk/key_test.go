package disk

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/holdfast-backup/holdfast"
)

// badKeys would leave the root, reach the vault's own files, or be the same file
// as another key.
var badKeys = []string{
	"", ".", "..", "/", "/etc/passwd", "../x", "a/../../x", "a/..", "a/./b", "a//b", "a/", ".tmp/x", ".uploads/x",
	"a/.hidden", ".state.lock", "state/../.state.lock", "a\\b", "a\x00b", "\xff", strings.Repeat("n", 256),
}

func TestBadKeysReachNothing(t *testing.T) {
	parent := t.TempDir()
	if err := os.WriteFile(filepath.Join(parent, "x"), []byte("outside"), fileMode); err != nil {
		t.Fatal(err)
	}
	v, _ := newVault(t, filepath.Join(parent, "root"), newClock())
	if _, err := v.Swap(t.Context(), "state/x", []byte("x"), ""); err != nil {
		t.Fatal(err)
	}
	before := files(t, parent)
	for _, key := range badKeys {
		if err := v.Put(t.Context(), key, []byte("y")); err == nil {
			t.Errorf("put %q was done", key)
		}
		if _, err := v.StartUpload(t.Context(), key); err == nil {
			t.Errorf("start upload of %q was done", key)
		}
		if _, err := v.Swap(t.Context(), key, []byte("y"), ""); err == nil {
			t.Errorf("swap %q was done", key)
		}
		if _, err := v.Swap(t.Context(), "state/"+key, []byte("y"), ""); err == nil {
			t.Errorf("swap %q was done", "state/"+key)
		}
		if _, err := v.SignDownload(t.Context(), key, "x", time.Hour); err == nil {
			t.Errorf("sign download of %q was done", key)
		}
		if _, err := v.Open(t.Context(), key, 0, -1); !errors.Is(err, holdfast.ErrNotExist) {
			t.Errorf("open %q: got error %v, want %v", key, err, holdfast.ErrNotExist)
		}
		if _, _, err := v.Load(t.Context(), key); !errors.Is(err, holdfast.ErrNotExist) {
			t.Errorf("load %q: got error %v, want %v", key, err, holdfast.ErrNotExist)
		}
		if err := v.Delete(t.Context(), key); err != nil {
			t.Errorf("delete %q: %v", key, err)
		}
		if key == "" || key == "." {
			continue // prefixes of everything, of nothing
		}
		if got := keys(t, v, key); len(got) > 0 {
			t.Errorf("list %q: got %q", key, got)
		}
	}
	if diff := cmp.Diff(before, files(t, parent)); diff != "" {
		t.Error(diff)
	}
	if _, err := v.Swap(t.Context(), "backups/x", []byte("y"), ""); err == nil {
		t.Error("swap of what is no state was done")
	}
}

func TestLinksAreNotFollowed(t *testing.T) {
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "file"), []byte("outside"), fileMode); err != nil {
		t.Fatal(err)
	}
	v, _ := newVault(t, t.TempDir(), newClock())
	if err := v.Put(t.Context(), "backups/real/file", []byte("inside")); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{
		"backups/out-file": filepath.Join(outside, "file"),
		"backups/out":      outside,
		"backups/in-file":  "real/file",
		"backups/in":       "real",
	} {
		if err := os.Symlink(to, filepath.Join(v.root.Name(), name)); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := keys(t, v, ""), []string{"backups/real/file"}; !slices.Equal(got, want) {
		t.Errorf("listed: %q, want %q", got, want)
	}
	for _, key := range []string{"backups/out-file", "backups/out/file", "backups/in-file", "backups/in/file"} {
		if _, err := v.Open(t.Context(), key, 0, -1); !errors.Is(err, holdfast.ErrNotExist) {
			t.Errorf("open %q: got error %v, want %v", key, err, holdfast.ErrNotExist)
		}
		if err := v.Delete(t.Context(), key); err != nil {
			t.Errorf("delete %q: %v", key, err)
		}
		if err := v.Put(t.Context(), key, []byte("other")); err == nil {
			t.Errorf("put %q was done", key)
		}
		if got := keys(t, v, key); len(got) > 0 {
			t.Errorf("list %q: got %q", key, got)
		}
	}
	if err := v.Put(t.Context(), "backups/out/new", []byte("other")); err == nil {
		t.Error("put behind a link was done")
	}
	if got, want := files(t, outside), []string{"file"}; !slices.Equal(got, want) {
		t.Errorf("outside: %q, want %q", got, want)
	}
	if got := content(t, v, "backups/real/file"); string(got) != "inside" {
		t.Errorf("got %q, want it unchanged", got)
	}
}

func TestListingIsWhatSortingTheKeysGives(t *testing.T) {
	name := rapid.StringMatching(`[ab.0-][ab0]{0,2}`).Filter(func(s string) bool { return s[0] != '.' })
	rapid.Check(t, func(rt *rapid.T) {
		v, err := New(t.TempDir(), Options{})
		if err != nil {
			rt.Fatal(err)
		}
		defer v.Close()
		var want []string
		for _, segments := range rapid.SliceOfN(rapid.SliceOfN(name, 1, 3), 1, 12).Draw(rt, "keys") {
			key := strings.Join(segments, "/")
			// A key may lie below another one's name; a file can't.
			if os.MkdirAll(filepath.Join(v.root.Name(), filepath.Dir(key)), dirMode) != nil {
				continue
			}
			if os.WriteFile(filepath.Join(v.root.Name(), key), nil, fileMode) == nil && !slices.Contains(want, key) {
				want = append(want, key)
			}
		}
		slices.Sort(want)
		prefix := rapid.StringMatching(`[ab/0-]{0,4}`).Draw(rt, "prefix")
		want = slices.DeleteFunc(want, func(key string) bool { return !strings.HasPrefix(key, prefix) })
		if diff := cmp.Diff(want, keys(t, v, prefix), cmp.Transformer("", func(s []string) string { return strings.Join(s, "\n") })); diff != "" {
			rt.Errorf("prefix %q: %s", prefix, diff)
		}
	})
}

func TestAnObjectInPlaceOfADirectoryStaysWhenItsOldNeighboursGo(t *testing.T) {
	v, _ := newVault(t, t.TempDir(), newClock())
	for range 2 {
		if err := v.Put(t.Context(), "backups/a/b", []byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := v.Put(t.Context(), "backups/a", []byte("x")); !errors.Is(err, holdfast.ErrExist) {
			t.Errorf("put over a directory: got error %v, want %v", err, holdfast.ErrExist)
		}
		if err := v.Delete(t.Context(), "backups/a/b"); err != nil {
			t.Fatal(err)
		}
		if err := v.Put(t.Context(), "backups/a", []byte("x")); err != nil {
			t.Errorf("put where an empty directory was: %v", err)
		}
		if err := v.Put(t.Context(), "backups/a/b", []byte("x")); err == nil {
			t.Error("put below an object was done")
		}
		if err := v.Delete(t.Context(), "backups/a"); err != nil {
			t.Fatal(err)
		}
	}
}
