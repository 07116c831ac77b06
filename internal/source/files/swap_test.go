package files

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/holdfast-backup/holdfast"
)

// The moment between looking at a name and opening it cannot be hit from
// outside, so this calls what follows it.
func TestALinkPutInPlaceAfterTheLookIsNotFollowed(t *testing.T) {
	for name, swap := range map[string]func(path string) error{
		"of a file":      func(path string) error { return os.WriteFile(path, []byte("mine"), 0o600) },
		"of a directory": func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			dir, elsewhere := t.TempDir(), t.TempDir()
			if err := os.WriteFile(filepath.Join(elsewhere, "secret"), []byte("secret"), 0o600); err != nil {
				t.Fatal(err)
			}
			parent, err := os.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer parent.Close()
			at := place{dir: parent, name: "a", path: filepath.Join(dir, "a")}
			if err := swap(at.path); err != nil {
				t.Fatal(err)
			}
			st, err := at.stat()
			if err != nil {
				t.Fatal(err)
			}
			target := elsewhere
			if name == "of a file" {
				target = filepath.Join(elsewhere, "secret")
			}
			if err := os.Remove(at.path); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(target, at.path); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			facts := holdfast.Facts{Stats: make(map[string]int64)}
			a := &archiver{Source: &Source{}, ctx: t.Context(), tar: tar.NewWriter(&out), facts: &facts, links: make(map[inode]string)}
			if err := a.add(at, st); err != nil {
				t.Fatal(err)
			}
			if facts.Stats["changed"] != 1 || out.Len() != 0 {
				t.Errorf("stats %v, %d bytes written", facts.Stats, out.Len())
			}
		})
	}
}
