package open_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/retention"
	"github.com/holdfast-backup/holdfast/internal/vault/open"
)

func adopting(t *testing.T, dir string) (holdfast.Vault, error) {
	t.Helper()
	v, err := open.Open(t.Context(), config.Vault{Disk: &config.Disk{Path: dir},
		Adopt: []config.Adopt{{Host: "web1", Job: "crm", Pattern: "spatie"}}}, open.Options{})
	if err == nil {
		t.Cleanup(func() { v.(interface{ Close() error }).Close() })
	}
	return v, err
}

// Where Holdfast keeps its own in a directory of others' files: out of their way,
// unless the directory was a vault before.
func TestAdoptedDirectory(t *testing.T) {
	ref := holdfast.Ref{Host: "web1", Job: "crm", ID: "20251028T040000Z-9f3c2a7d"}
	file := func(t *testing.T, path string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		make func(t *testing.T, dir string)
		own  string // where its state then lies
		has  bool   // the backup ref
	}{
		{"of others' files alone", func(t *testing.T, dir string) {}, ".holdfast/state/a.json", false},
		{"that was a vault", func(t *testing.T, dir string) {
			v, err := open.Open(t.Context(), config.Vault{Disk: &config.Disk{Path: dir}}, open.Options{Create: true})
			if err != nil {
				t.Fatal(err)
			}
			defer v.(interface{ Close() error }).Close()
			if err := v.Put(t.Context(), ref.ManifestKey(), []byte("{}")); err != nil {
				t.Fatal(err)
			}
		}, "state/a.json", true},
		{"that a host writes backups to by SFTP", func(t *testing.T, dir string) { file(t, filepath.Join(dir, ref.ManifestKey())) }, "state/a.json", true},
		{"with a folder that is called backups", func(t *testing.T, dir string) { file(t, filepath.Join(dir, "backups/a/b/notes.txt")) }, ".holdfast/state/a.json", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			file(t, filepath.Join(dir, "app/2025-10-28-02-00-00.zip"))
			c.make(t, dir)
			for range 2 { // what was decided once stays
				v, err := adopting(t, dir)
				if err != nil {
					t.Fatal(err)
				}
				_, tag, _ := v.Load(t.Context(), "state/a.json")
				if _, err := v.Swap(t.Context(), "state/a.json", []byte("{}"), tag); err != nil {
					t.Fatal(err)
				}
				if _, err := os.Stat(filepath.Join(dir, c.own)); err != nil {
					t.Error(err)
				}
				adopted, own := 0, 0
				for o, err := range v.List(t.Context(), holdfast.BackupsPrefix) {
					switch {
					case err != nil:
						t.Fatal(err)
					case o.Adopted != nil:
						adopted++
					case o.Key == ref.ManifestKey():
						own++
					default:
						t.Errorf("shows %s", o.Key)
					}
				}
				if adopted == 0 || (own == 1) != c.has {
					t.Errorf("%d objects of adopted backups, %d manifests of own", adopted, own)
				}
			}
		})
	}
}

func TestAdoptedDirectoryThatIsGone(t *testing.T) {
	for name, dir := range map[string]string{"no such directory": filepath.Join(t.TempDir(), "none"), "is empty": t.TempDir()} {
		if _, err := adopting(t, dir); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want %q", err, name)
		}
		if _, err := os.Stat(filepath.Join(dir, ".holdfast")); err == nil {
			t.Errorf("%s: something was made in it", name)
		}
	}
}

// Whoever can write there can choose names. Garbage of days gone by would take the
// place of the good backups of these days.
func TestBackdatedFilesDeleteNothing(t *testing.T) {
	m := &months{directory{t.TempDir()}, t, time.Now().UTC().Truncate(time.Second)}
	times := m.nightly(14)
	if j := m.cleaned(", delete: true", retention.Options{}); j.Braked || len(j.Delete) > 0 {
		t.Fatalf("at first: %+v", j)
	}
	for _, at := range times[8:] { // as many as good ones that would go: not more than half
		m.put(t, fileOf(at.Add(time.Hour)), 1000, m.now.Add(-time.Hour))
	}
	j := m.cleaned(", delete: true", retention.Options{})
	if len(j.Delete) == 0 || !j.Braked || len(m.names(t)) != 20 {
		t.Errorf("%d would go, braked %v, %d left", len(j.Delete), j.Braked, len(m.names(t)))
	}
}
