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

	"github.com/holdfast-backup/holdfast"
)

// The names are written out, and not taken from package layout: they are those of
// directories that are there already.
func TestWhatIsWrittenLiesWhereItAlwaysDid(t *testing.T) {
	root := t.TempDir()
	v, client := newVault(t, root, newClock())
	if err := v.Put(t.Context(), "backups/"+strings.Repeat("n", 255), []byte("x")); err != nil {
		t.Fatal(err)
	}
	u := start(t, v, "backups/data")
	send(t, v, client, u, 2, []byte("x"))
	if limits, want := v.UploadLimits(), (holdfast.UploadLimits{MaxParts: 10_000, Checksum: "sha256"}); limits != want {
		t.Errorf("limits: got %+v, want %+v", limits, want)
	}
	dir := ".uploads/" + u.ID + "/"
	want := []string{dir + "00002.json", dir + "data", dir + "lock", dir + "short", dir + "upload.json", "backups/" + strings.Repeat("n", 255)}
	if diff := cmp.Diff(want, files(t, root)); diff != "" || len(u.ID) != 26 {
		t.Errorf("id %q: %s", u.ID, diff)
	}
	if _, err := os.Lstat(filepath.Join(root, ".tmp")); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(filepath.Join(root, dir, "upload.json"))
	if want := `{"key":"backups/data","started":"2025-10-28T14:00:00Z"}`; err != nil || string(text) != want {
		t.Errorf("got record %s and error %v, want %s", text, err, want)
	}
	if data, err := os.Stat(filepath.Join(root, dir, "data")); err != nil || data.Size() != 8<<20+1 {
		t.Errorf("data: got %v and error %v, want a byte at 8 MiB", data, err)
	}
}

func TestWhatWasWrittenInPlaceIsThereOnceItIsDone(t *testing.T) {
	root := t.TempDir()
	v, _ := newVault(t, root, newClock())
	dir, written := filepath.Join(root, "backups"), time.Now().Add(-time.Hour)
	for name, begun := range map[string]time.Duration{"begun": 0, "done": 0, "old": time.Hour} {
		if err := os.MkdirAll(filepath.Join(dir, "."+name+".begun"), dirMode); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), fileMode); err != nil {
			t.Fatal(err)
		}
		for file, at := range map[string]time.Time{name: written, "." + name + ".begun": written.Add(begun)} {
			if err := os.Chtimes(filepath.Join(dir, file), at, at); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Mkdir(filepath.Join(dir, ".done.done"), dirMode); err != nil {
		t.Fatal(err)
	}
	if got, want := keys(t, v, ""), []string{"backups/done", "backups/old"}; !slices.Equal(got, want) {
		t.Errorf("listed: %q, want %q", got, want)
	}
	for key, want := range map[string]error{"backups/begun": holdfast.ErrNotExist, "backups/done": nil, "backups/old": nil} {
		r, err := v.Open(t.Context(), key, 0, -1)
		if !errors.Is(err, want) {
			t.Errorf("open %q: got error %v, want %v", key, err, want)
		}
		if err == nil {
			r.Close()
		}
		if err := v.Delete(t.Context(), key); err != nil {
			t.Error(err)
		}
	}
	// With their marks.
	if got, err := os.ReadDir(root); err != nil || len(got) != 2 {
		t.Errorf("left: %v and error %v, want .tmp and .uploads", got, err)
	}
}
