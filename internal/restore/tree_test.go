package restore

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfast-backup/holdfast"
)

// entry is one member of a test archive.
type entry struct {
	tar.Header
	content string
}

var testTime = time.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC)

func reg(name, content string) entry {
	return entry{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o640, ModTime: testTime, Size: int64(len(content))}, content}
}

func dirEntry(name string, mode int64) entry {
	return entry{tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: mode, ModTime: testTime}, ""}
}

func symlink(name, to string) entry {
	return entry{tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: to, Mode: 0o777, ModTime: testTime}, ""}
}

func hardlink(name, to string) entry {
	return entry{tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: to, Mode: 0o640, ModTime: testTime}, ""}
}

func special(name string, kind byte) entry {
	return entry{tar.Header{Typeflag: kind, Name: name, Mode: 0o666, Devmajor: 1, Devminor: 3, ModTime: testTime}, ""}
}

func owned(e entry, uid, gid int, mode int64) entry {
	e.Uid, e.Gid, e.Mode = uid, gid, mode
	return e
}

func tarOf(t testing.TB, name string, entries ...entry) plain {
	t.Helper()
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for _, e := range entries {
		if err := tw.WriteHeader(&e.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write([]byte(e.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return plain{name: name, file: name + ".tar", facts: holdfast.Facts{Kind: "files", Format: "tar"}, data: b.Bytes()}
}

// look returns what lies under dir, one line each.
func look(t *testing.T, dir string) []string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		info, err := e.Info()
		if err != nil {
			return err
		}
		line := fmt.Sprintf("%s %v", name, info.Mode())
		switch {
		case info.Mode().IsRegular():
			content, _ := os.ReadFile(path)
			line += fmt.Sprintf(" %q", content)
		case info.Mode().Type() == fs.ModeSymlink:
			to, _ := os.Readlink(path)
			line = fmt.Sprintf("%s -> %s", name, to)
		}
		lines = append(lines, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return lines
}

// extractTree restores an archive and returns the directory it is in.
func extractTree(t *testing.T, o DirOptions, entries ...entry) (dir string, w *world, err error) {
	t.Helper()
	w = newWorld(t)
	w.backup(testRef, tarOf(t, "media", entries...))
	dir = t.TempDir()
	_, err = w.open(testRef).ToDir(t.Context(), dir, o)
	return filepath.Join(dir, "media"), w, err
}

func TestTreeIsRestoredAsItWas(t *testing.T) {
	dir, w, err := extractTree(t, DirOptions{},
		dirEntry("srv", 0o755), dirEntry("srv/ro", 0o500), reg("srv/ro/a", "A"), hardlink("srv/ro/b", "srv/ro/a"),
		dirEntry("srv/empty", 0o711), symlink("srv/up", "../../etc/passwd"), symlink("srv/abs", "/etc/passwd"),
		reg("srv/odd \n\xff name", "O"), reg("srv/implied/dir/c", ""), reg("srv/ro/late", "back in a directory that was left"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"srv drwxr-xr-x", "srv/abs -> /etc/passwd", "srv/empty drwx--x--x", "srv/implied drwx------", "srv/implied/dir drwx------",
		`srv/implied/dir/c -rw-r----- ""`, "srv/odd \n\xff name -rw-r----- \"O\"", "srv/ro dr-x------", `srv/ro/a -rw-r----- "A"`,
		`srv/ro/b -rw-r----- "A"`, `srv/ro/late -rw-r----- "back in a directory that was left"`, "srv/up -> ../../etc/passwd",
	}
	if diff := cmp.Diff(want, look(t, dir)); diff != "" {
		t.Error(diff)
	}
	for _, name := range []string{"srv", "srv/ro", "srv/ro/a", "srv/empty"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || !info.ModTime().Equal(testTime) {
			t.Errorf("%s: got time %v, %v; want %v", name, info.ModTime(), err, testTime)
		}
	}
	a, _ := os.Stat(filepath.Join(dir, "srv/ro/a"))
	if b, _ := os.Stat(filepath.Join(dir, "srv/ro/b")); !os.SameFile(a, b) {
		t.Error("srv/ro/b is no hard link to srv/ro/a")
	}
	if len(w.warnings) > 0 {
		t.Errorf("warnings: %q", w.warnings)
	}
}

func TestMembersThatWouldLeaveTheTreeAreRefused(t *testing.T) {
	tests := []struct {
		name    string
		entries []entry
	}{
		{"a name with .. in front", []entry{reg("../evil", "x")}},
		{"a name with .. in the middle", []entry{reg("a/../../evil", "x")}},
		{"a name with .. that stays inside", []entry{dirEntry("a", 0o755), reg("a/../b", "x")}},
		{"a name that is ..", []entry{dirEntry("..", 0o777)}},
		{"an absolute name with ..", []entry{reg("/../evil", "x")}},
		{"a file under a symlink that leads out", []entry{symlink("out", ".."), reg("out/evil", "x")}},
		{"a file under an absolute symlink", []entry{symlink("out", "/tmp"), reg("out/evil", "x")}},
		{"a directory over a symlink that leads out", []entry{symlink("out", ".."), dirEntry("out", 0o777)}},
		{"a file under a symlink to a directory inside", []entry{dirEntry("in", 0o755), symlink("also", "in"), reg("also/x", "x")}},
		{"a file under a file", []entry{reg("a", "x"), reg("a/b", "x")}},
		{"a hard link that leads out", []entry{hardlink("evil", "../secret")}},
		{"a hard link through a symlink that leads out", []entry{symlink("out", ".."), hardlink("evil", "out/secret")}},
		{"a hard link to a directory", []entry{dirEntry("d", 0o755), hardlink("evil", "d")}},
		{"a hard link to nothing", []entry{hardlink("evil", "nothing")}},
		{"a file in place of a directory", []entry{dirEntry("d", 0o755), reg("d/x", "x"), reg("d", "x")}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir, _, err := extractTree(t, DirOptions{}, append([]entry{reg("good", "x")}, test.entries...)...)
			if err == nil {
				t.Errorf("no error; the tree is %q", look(t, dir))
			}
			wantEmpty(t, filepath.Dir(dir))
		})
	}
}

func TestLaterMemberReplacesTheEarlierAndIsNotWrittenThrough(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir, _, err := extractTree(t, DirOptions{},
		reg("kept", "K"), hardlink("link", "kept"), reg("link", "L"), symlink("out", outside), reg("out", "O"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`kept -rw-r----- "K"`, `link -rw-r----- "L"`, `out -rw-r----- "O"`}
	if diff := cmp.Diff(want, look(t, dir)); diff != "" {
		t.Error(diff)
	}
	if got, _ := os.ReadFile(outside); string(got) != "old" {
		t.Errorf("the file outside holds %q, want it untouched", got)
	}
}

func TestDevicesAreSkippedAndAbsoluteNamesMadeRelativeWithAWarning(t *testing.T) {
	dir, w, err := extractTree(t, DirOptions{},
		special("null", tar.TypeChar), special("disk", tar.TypeBlock), special("pipe", tar.TypeFifo), reg("/abs/a", "x"), reg("//abs/b", "y"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"abs drwx------", `abs/a -rw-r----- "x"`, `abs/b -rw-r----- "y"`}
	if diff := cmp.Diff(want, look(t, dir)); diff != "" {
		t.Error(diff)
	}
	if all := strings.Join(w.warnings, "\n"); len(w.warnings) != 4 || !strings.Contains(all, `"null"`) || !strings.Contains(all, "leading /") {
		t.Errorf("got warnings %q, want one for each device and one for the absolute names", w.warnings)
	}
}

func TestOwnersAndSetuidAreRestoredByRootUnlessTurnedOff(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("needs root")
	}
	entries := []entry{owned(dirEntry("d", 0), 1234, 2345, 0o2775), owned(reg("d/su", "x"), 1234, 2345, 0o4755), owned(symlink("d/s", "su"), 1234, 2345, 0o777)}
	for _, test := range []struct {
		name     string
		noOwner  bool
		uid      uint32
		modeD    fs.FileMode
		modeFile fs.FileMode
	}{
		{"restored", false, 1234, fs.ModeDir | fs.ModeSetgid | 0o775, fs.ModeSetuid | 0o755},
		{"turned off", true, 0, fs.ModeDir | 0o775, 0o755},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir, _, err := extractTree(t, DirOptions{NoOwner: test.noOwner}, entries...)
			if err != nil {
				t.Fatal(err)
			}
			for name, mode := range map[string]fs.FileMode{"d": test.modeD, "d/su": test.modeFile, "d/s": fs.ModeSymlink | 0o777} {
				info, err := os.Lstat(filepath.Join(dir, name))
				if err != nil {
					t.Fatal(err)
				}
				if uid := info.Sys().(*syscall.Stat_t).Uid; uid != test.uid || info.Mode() != mode {
					t.Errorf("%s: got uid %d and mode %v, want %d and %v", name, uid, info.Mode(), test.uid, mode)
				}
			}
		})
	}
}

func TestPathsPickMembers(t *testing.T) {
	entries := []entry{dirEntry("srv", 0o755), dirEntry("srv/up", 0o750), reg("srv/up/a", "A"), reg("srv/up2", "no"), hardlink("srv/up/h", "srv/up/a"), reg("etc/x", "X"), hardlink("alone", "srv/up/a")}
	tests := []struct {
		name  string
		paths []string
		want  []string
		err   error
	}{
		{"a directory takes what is in it", []string{"srv/up"}, []string{"srv drwx------", "srv/up drwxr-x---", `srv/up/a -rw-r----- "A"`, `srv/up/h -rw-r----- "A"`}, nil},
		{"slashes at the ends do not matter", []string{"/srv/up/"}, []string{"srv drwx------", "srv/up drwxr-x---", `srv/up/a -rw-r----- "A"`, `srv/up/h -rw-r----- "A"`}, nil},
		{"several paths add up", []string{"/etc/x", "srv/up/a"}, []string{"etc drwx------", `etc/x -rw-r----- "X"`, "srv drwx------", "srv/up drwx------", `srv/up/a -rw-r----- "A"`}, nil},
		{"a path with nothing there is an error, whatever others find", []string{"srv/up", "srv/nothing"}, nil, ErrNotFound},
		{"part of a name is no path", []string{"srv/u"}, nil, ErrNotFound},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir, _, err := extractTree(t, DirOptions{Paths: test.paths}, entries...)
			if !errors.Is(err, test.err) {
				t.Fatalf("got %v, want %v", err, test.err)
			}
			if err != nil {
				wantEmpty(t, filepath.Dir(dir))
				return
			}
			if diff := cmp.Diff(test.want, look(t, dir)); diff != "" {
				t.Error(diff)
			}
		})
	}
	if _, _, err := extractTree(t, DirOptions{Paths: []string{"alone"}}, entries...); err == nil || !strings.Contains(err.Error(), "srv/up/a") {
		t.Errorf("hard link without its file: got %v, want an error that names the file", err)
	}
}

func TestPathsLookIntoArchivesOnly(t *testing.T) {
	w := newWorld(t)
	w.backup(testRef, plain{name: "crm", file: "crm.sql", data: []byte("x")}, tarOf(t, "media", reg("a", "A")), tarOf(t, "other", reg("b", "B")))
	dir := t.TempDir()
	written, err := w.open(testRef).ToDir(t.Context(), dir, DirOptions{Paths: []string{"a"}})
	if err != nil || len(written) != 1 || written[0].Members != 1 {
		t.Errorf("got %+v and %v, want one member of one archive", written, err)
	}
	if diff := cmp.Diff([]string{"media drwx------", `media/a -rw-r----- "A"`}, look(t, dir)); diff != "" {
		t.Error(diff)
	}
	var choice *ChoiceError
	if _, err := w.open(testRef).ToDir(t.Context(), t.TempDir(), DirOptions{Paths: []string{"a"}, Streams: []string{"crm"}}); !errors.As(err, &choice) {
		t.Errorf("paths of a dump: got %v, want a choice", err)
	}
}

func TestWholeArchiveIsProvenEvenForOnePath(t *testing.T) {
	w := newWorld(t)
	w.backup(testRef, tarOf(t, "media", reg("a", "A"), reg("z", string(noise(400_000)))))
	b := w.open(testRef)
	b.Manifest.Streams[0].PlainSHA256 = strings.Repeat("0", 64) // found out at the very end
	dir := t.TempDir()
	if _, err := b.ToDir(t.Context(), dir, DirOptions{Paths: []string{"a"}}); !errors.Is(err, holdfast.ErrCorrupt) {
		t.Errorf("got %v, want %v", err, holdfast.ErrCorrupt)
	}
	wantEmpty(t, dir)
}

func FuzzExtract(f *testing.F) {
	for _, entries := range [][]entry{
		{reg("a", "x"), dirEntry("d", 0o500), reg("d/b", "y"), hardlink("h", "a"), symlink("s", "/")},
		{symlink("s", ".."), reg("s/evil", "x")},
		{reg("../evil", "x")}, {special("c", tar.TypeChar)},
	} {
		f.Add(tarOf(f, "seed", entries...).data)
	}
	f.Fuzz(func(t *testing.T, archive []byte) {
		outer := t.TempDir()
		inner := filepath.Join(outer, "tree")
		if err := os.Mkdir(inner, 0o700); err != nil {
			t.Fatal(err)
		}
		root, err := os.OpenRoot(inner)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		tree := &tree{root: root, warn: func(string) {}}
		tree.extract(t.Context(), bytes.NewReader(archive))
		entries, err := os.ReadDir(outer)
		if err != nil || len(entries) != 1 {
			t.Fatalf("beside the tree lies %v, %v", entries, err)
		}
		outerRoot, err := os.OpenRoot(outer)
		if err != nil {
			t.Fatal(err)
		}
		defer outerRoot.Close()
		removeTree(outerRoot, "tree")
		wantEmpty(t, outer)
	})
}
