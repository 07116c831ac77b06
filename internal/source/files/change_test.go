package files_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast/internal/source/files"
)

// meddler changes the tree when the content of the first file comes by. The
// archive is written through a buffer, so that file has to be larger.
type meddler struct {
	bytes.Buffer
	meddle func()
}

func (m *meddler) Write(p []byte) (int, error) {
	if m.meddle != nil && bytes.Contains(p, []byte("aaaa")) {
		m.meddle()
		m.meddle = nil
	}
	return m.Buffer.Write(p)
}

func TestFilesThatChangeWhileTheyAreRead(t *testing.T) {
	const size = 2 << 20
	content := strings.Repeat("a", size)
	for name, c := range map[string]struct {
		meddle func(t *testing.T, dir string)
		stat   string
		want   map[string]entry
	}{
		"one that grows is stored as long as it was": {
			func(t *testing.T, dir string) {
				f, err := os.OpenFile(dir+"/1", os.O_APPEND|os.O_WRONLY, 0)
				must(t, err)
				_, err = f.WriteString("more")
				must(t, errors.Join(err, f.Close()))
			}, "changed",
			map[string]entry{"1": {tar.TypeReg, 0o644, "", content}, "2": {tar.TypeReg, 0o644, "", "two"}},
		},
		"one that shrinks is filled with zeros": {
			func(t *testing.T, dir string) { must(t, os.Truncate(dir+"/1", size/2)) }, "changed",
			map[string]entry{"1": {tar.TypeReg, 0o644, "", content[:size/2] + strings.Repeat("\x00", size/2)}, "2": {tar.TypeReg, 0o644, "", "two"}},
		},
		"one that vanishes is left out": {
			func(t *testing.T, dir string) { must(t, os.Remove(dir+"/2")) }, "vanished",
			map[string]entry{"1": {tar.TypeReg, 0o644, "", content}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir+"/1", content)
			write(t, dir+"/2", "two")
			w := &meddler{meddle: func() { c.meddle(t, dir) }}
			facts, err := dump(t, files.Options{Include: []string{dir}}, w)
			if err != nil {
				t.Fatal(err)
			}
			if w.meddle != nil {
				t.Fatal("nothing was changed")
			}
			got := read(t, dir, &w.Buffer)
			for name, want := range c.want {
				if got[name] != want {
					t.Errorf("%s: got %d bytes, want %d", name, len(got[name].Content), len(want.Content))
				}
			}
			if len(got) != len(c.want)+1 || facts.Stats[c.stat] != 1 || len(facts.Warnings) != 1 {
				t.Errorf("%d members, stats %v, warnings %q", len(got), facts.Stats, facts.Warnings)
			}
		})
	}
}

func TestALinkPutInPlaceOfAFileIsNotFollowed(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	write(t, elsewhere+"/secret", "secret")
	write(t, dir+"/1", strings.Repeat("a", 2<<20))
	write(t, dir+"/sub/secret", "mine")
	w := &meddler{meddle: func() {
		must(t, os.RemoveAll(dir+"/sub"))
		must(t, os.Symlink(elsewhere, dir+"/sub"))
	}}
	if _, err := dump(t, files.Options{Include: []string{dir}}, w); err != nil {
		t.Fatal(err)
	}
	if got := read(t, dir, &w.Buffer); got["sub"].Type != tar.TypeSymlink || len(got) != 3 {
		t.Errorf("got %v", got["sub"])
	}
}
