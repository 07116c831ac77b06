package files_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
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

func TestExclude(t *testing.T) {
	for name, c := range map[string]struct {
		options files.Options // paths below DIR
		want    []string
	}{
		"nothing is left out by default":              {files.Options{}, []string{"a/", "a/cache/", "a/cache/1.tmp", "a/keep", "b/", "b/cache", "b/sub/", "b/sub/1.tmp", "b/sub/tag"}},
		"without a slash a name anywhere":             {files.Options{Exclude: []string{"*.tmp"}}, []string{"a/", "a/cache/", "a/keep", "b/", "b/cache", "b/sub/", "b/sub/tag"}},
		"a directory goes with all below it":          {files.Options{Exclude: []string{"cache"}}, []string{"a/", "a/keep", "b/", "b/sub/", "b/sub/1.tmp", "b/sub/tag"}},
		"a slash at the end means directories":        {files.Options{Exclude: []string{"cache/"}}, []string{"a/", "a/keep", "b/", "b/cache", "b/sub/", "b/sub/1.tmp", "b/sub/tag"}},
		"a slash in it means the end of a path":       {files.Options{Exclude: []string{"cache/*.tmp"}}, []string{"a/", "a/cache/", "a/keep", "b/", "b/cache", "b/sub/", "b/sub/1.tmp", "b/sub/tag"}},
		"a slash before it means the whole path":      {files.Options{Exclude: []string{"DIR/b/**/*.tmp", "/keep"}}, []string{"a/", "a/cache/", "a/cache/1.tmp", "a/keep", "b/", "b/cache", "b/sub/", "b/sub/tag"}},
		"a directory that holds a file of a name":     {files.Options{ExcludeIfPresent: []string{"tag"}}, []string{"a/", "a/cache/", "a/cache/1.tmp", "a/keep", "b/", "b/cache"}},
		"what is included itself stays, and once":     {files.Options{Include: []string{"DIR/a/cache"}, Exclude: []string{"cache"}}, []string{"a/", "a/keep", "b/", "b/sub/", "b/sub/1.tmp", "b/sub/tag", "a/cache/", "a/cache/1.tmp"}},
		"an include that is given twice is kept once": {files.Options{Include: []string{"DIR/", "DIR"}, Exclude: []string{"b"}}, []string{"a/", "a/cache/", "a/cache/1.tmp", "a/keep"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, f := range []string{"a/cache/1.tmp", "a/keep", "b/cache", "b/sub/1.tmp", "b/sub/tag"} {
				write(t, filepath.Join(dir, f), f)
			}
			c.options.Include = append([]string{dir}, c.options.Include...)
			for i := range c.options.Include {
				c.options.Include[i] = strings.ReplaceAll(c.options.Include[i], "DIR", dir)
			}
			for i := range c.options.Exclude {
				c.options.Exclude[i] = strings.ReplaceAll(c.options.Exclude[i], "DIR", dir)
			}
			_, order, _ := members(t, dir, c.options)
			var got []string
			for _, n := range order[1:] {
				got = append(got, strings.TrimPrefix(n, dir[1:]+"/"))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

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

func TestNothingButSocketsIsNoArchive(t *testing.T) {
	pipe := t.TempDir() + "/pipe"
	must(t, unix.Mkfifo(pipe, 0o600))
	if _, err := dump(t, files.Options{Include: []string{pipe}}, io.Discard); err == nil {
		t.Error("got no error")
	}
}

func TestAnIncludeWithoutAFileIsAnError(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/full/sub/file", "a")
	must(t, os.MkdirAll(dir+"/mount/point", 0o755))
	must(t, os.Mkdir(dir+"/fu", 0o755))
	must(t, os.Symlink("nowhere", dir+"/mount/link"))
	for name, c := range map[string]struct {
		options files.Options // paths below DIR
		empty   string        // the include that the error names
	}{
		"a file below it is enough":                     {files.Options{Include: []string{"DIR/full"}}, ""},
		"a file of an include below it is, too":         {files.Options{Include: []string{"DIR/full", "DIR/full/sub"}}, ""},
		"directories and links are not":                 {files.Options{Include: []string{"DIR/mount"}}, "DIR/mount"},
		"nor are the files of another include":          {files.Options{Include: []string{"DIR/full", "DIR/mount/point"}}, "DIR/mount/point"},
		"nor of one with a name that begins like it":    {files.Options{Include: []string{"DIR/fu", "DIR/full"}}, "DIR/fu"},
		"nor files that are left out":                   {files.Options{Include: []string{"DIR/full"}, Exclude: []string{"sub"}}, "DIR/full"},
		"allow_empty takes what there is":               {files.Options{Include: []string{"DIR/mount"}, AllowEmpty: true}, ""},
		"and the files of one include beside the other": {files.Options{Include: []string{"DIR/full", "DIR/mount/point"}, AllowEmpty: true}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for i, p := range c.options.Include {
				c.options.Include[i] = strings.ReplaceAll(p, "DIR", dir)
			}
			_, err := dump(t, c.options, io.Discard)
			want := fmt.Sprintf("include %q: holds no regular file", strings.ReplaceAll(c.empty, "DIR", dir))
			if (err == nil) != (c.empty == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %s", err, want)
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

func TestExamine(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/full/file", "a")
	must(t, os.Mkdir(dir+"/empty", 0o755))
	options := files.Options{Include: []string{dir + "/full", dir + "/missing", dir + "/empty"}}
	s, err := files.New(options)
	must(t, err)
	found := s.Examine(t.Context())
	if len(found) != 3 || found[0].OK || !strings.Contains(found[0].Hint, "allow_empty") || !found[1].OK || found[2].OK || found[2].Hint == "" {
		t.Errorf("got %+v", found)
	}
	options.AllowEmpty = true
	s, err = files.New(options)
	must(t, err)
	if found = s.Examine(t.Context()); !found[0].OK {
		t.Errorf("with allow_empty: got %+v", found[0])
	}
}

func BenchmarkDump10000SmallFiles(b *testing.B) {
	dir := b.TempDir()
	for i := range 10_000 {
		sub := filepath.Join(dir, fmt.Sprint(i%100))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(sub, fmt.Sprint(i)), bytes.Repeat([]byte("x"), 1000), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	s, err := files.New(files.Options{Include: []string{dir}, Exclude: []string{"*.tmp", "cache/"}})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(10_000 * 1000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Dump(b.Context(), io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}
