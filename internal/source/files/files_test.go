package files_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/source/files"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// entry is a member of an archive, its name relative to the test's directory.
type entry struct {
	Type    byte
	Mode    int64
	Link    string
	Content string
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func dump(t *testing.T, options files.Options, w io.Writer) (holdfast.Facts, error) {
	t.Helper()
	s, err := files.New(options)
	if err != nil {
		t.Fatal(err)
	}
	return s.Dump(t.Context(), w)
}

// members dumps and reads the archive back.
func members(t *testing.T, dir string, options files.Options) (map[string]entry, []string, holdfast.Facts) {
	t.Helper()
	var archive bytes.Buffer
	facts, err := dump(t, options, &archive)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, dir, bytes.NewReader(archive.Bytes())), names(t, archive.Bytes()), facts
}

func read(t *testing.T, dir string, r io.Reader) map[string]entry {
	t.Helper()
	got := make(map[string]entry)
	prefix := strings.TrimPrefix(dir, "/") + "/"
	for archive := tar.NewReader(r); ; {
		h, err := archive.Next()
		if err == io.EOF {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		got[strings.TrimPrefix(h.Name, prefix)] = entry{h.Typeflag, h.Mode, strings.TrimPrefix(h.Linkname, prefix), string(content)}
	}
}

func names(t *testing.T, archive []byte) (all []string) {
	t.Helper()
	r := tar.NewReader(bytes.NewReader(archive))
	for h, err := r.Next(); err != io.EOF; h, err = r.Next() {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, h.Name)
	}
	return all
}

func TestEveryKindOfEntryIsKept(t *testing.T) {
	dir := t.TempDir()
	tree := filepath.Join(dir, "tree")
	write(t, tree+"/a/plain", "content")
	write(t, tree+"/a/empty", "")
	write(t, tree+"/odd\nname", "newline")
	write(t, tree+"/latin1-\xe9", "not UTF-8")
	write(t, tree+"/"+strings.Repeat("long", 60), "long name")
	must(t, os.Mkdir(tree+"/empty-dir", 0o700))
	must(t, os.Symlink("../nowhere", tree+"/link"))
	must(t, os.Link(tree+"/a/plain", tree+"/b-hard"))
	must(t, unix.Chmod(tree+"/a/empty", 0o4750))
	must(t, unix.Chmod(tree+"/a", 0o2755))
	must(t, unix.Mkfifo(tree+"/pipe", 0o600))
	stamp := time.Unix(1700000000, 123456789)
	must(t, os.Chtimes(tree+"/a/plain", stamp, stamp))

	got, order, facts := members(t, dir, files.Options{Name: "media", Include: []string{tree}})
	want := map[string]entry{
		"tree/":                              {tar.TypeDir, 0o755, "", ""},
		"tree/a/":                            {tar.TypeDir, 0o2755, "", ""},
		"tree/a/empty":                       {tar.TypeReg, 0o4750, "", ""},
		"tree/a/plain":                       {tar.TypeReg, 0o644, "", "content"},
		"tree/b-hard":                        {tar.TypeLink, 0o644, "tree/a/plain", ""},
		"tree/empty-dir/":                    {tar.TypeDir, 0o700, "", ""},
		"tree/latin1-\xe9":                   {tar.TypeReg, 0o644, "", "not UTF-8"},
		"tree/link":                          {tar.TypeSymlink, 0o777, "../nowhere", ""},
		"tree/odd\nname":                     {tar.TypeReg, 0o644, "", "newline"},
		"tree/" + strings.Repeat("long", 60): {tar.TypeReg, 0o644, "", "long name"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !slices.IsSorted(order) {
		t.Errorf("the order is not that of the names: %q", order)
	}
	wantStats := map[string]int64{"files": 6, "dirs": 3, "symlinks": 1, "bytes": 32, "skipped": 1, "changed": 0, "vanished": 0}
	if diff := cmp.Diff(wantStats, facts.Stats); diff != "" {
		t.Error(diff)
	}
	if len(facts.Warnings) != 1 || !strings.Contains(facts.Warnings[0], "pipe") {
		t.Errorf("warnings: %q", facts.Warnings)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestTimesAndOwnersAreKept(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/f", "x")
	stamp := time.Unix(1700000000, 123456789)
	must(t, os.Chtimes(dir+"/f", stamp, stamp))
	var archive bytes.Buffer
	if _, err := dump(t, files.Options{Include: []string{dir + "/f"}}, &archive); err != nil {
		t.Fatal(err)
	}
	h, err := tar.NewReader(&archive).Next()
	if err != nil {
		t.Fatal(err)
	}
	if !h.ModTime.Equal(stamp) || h.Uid != os.Getuid() || h.Gid != os.Getgid() || h.Uname == "" || h.Name != dir[1:]+"/f" {
		t.Errorf("got %+v", h)
	}
}

func TestWhatCannotBeReadIsAnErrorThatNamesIt(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/tree/file", "a")
	write(t, dir+"/tree/other", "b")
	must(t, os.Symlink("tree", dir+"/link"))
	must(t, os.Chmod(dir+"/tree/file", 0))
	must(t, os.Chmod(dir, 0o711))
	must(t, os.Chmod(filepath.Dir(dir), 0o711))
	for name, c := range map[string]struct{ include, named string }{
		"an include that is missing": {dir + "/missing", dir + "/missing"},
		"an include that is a link":  {dir + "/link", dir + "/link"},
		"a file without permission":  {dir + "/tree", dir + "/tree/file"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := files.New(files.Options{Include: []string{c.include}})
			must(t, err)
			testenv.Unprivileged(t, func() { _, err = s.Dump(t.Context(), io.Discard) })
			if err == nil || !strings.Contains(err.Error(), c.named) {
				t.Errorf("got %v, want the path in it", err)
			}
		})
	}
	t.Run("unless it is to be skipped", func(t *testing.T) {
		s, err := files.New(files.Options{Include: []string{dir + "/tree"}, SkipUnreadable: true})
		must(t, err)
		var facts holdfast.Facts
		testenv.Unprivileged(t, func() { facts, err = s.Dump(t.Context(), io.Discard) })
		if err != nil || facts.Stats["skipped"] != 1 || len(facts.Warnings) != 1 {
			t.Errorf("got %v, %v, %q", err, facts.Stats, facts.Warnings)
		}
	})
}

func TestOptionsThatCannotBeUsed(t *testing.T) {
	for name, options := range map[string]files.Options{
		"no include":                  {},
		"a relative include":          {Include: []string{"srv"}},
		"a malformed pattern":         {Include: []string{"/srv"}, Exclude: []string{"[a"}},
		"an empty pattern":            {Include: []string{"/srv"}, Exclude: []string{""}},
		"a path where a name must be": {Include: []string{"/srv"}, ExcludeIfPresent: []string{"a/b"}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := files.New(options); err == nil {
				t.Error("got no error")
			}
		})
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestDumpStopsWithItsWriterAndItsContext(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/a", strings.Repeat("a", 1<<20))
	want := errors.New("line is down")
	if _, err := dump(t, files.Options{Include: []string{dir}}, failing{want}); !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s, err := files.New(files.Options{Include: []string{dir}})
	must(t, err)
	if _, err := s.Dump(ctx, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}
