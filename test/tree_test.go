package test

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// oddNames are names that programs trip over.
var oddNames = []string{
	"with space", "with\nnewline", "with'quote", `with"double`, "with\\backslash", "-leading-hyphen", "ünïcödé 漢字 🎈",
	"not\xffutf8", strings.Repeat("long", 60), "trailing.", ".hidden", "a;b|c&d$e`f", "*?[glob]", "~",
}

// plant makes a tree of 10,000 files and everything else that a tree can hold.
func plant(t *testing.T, root string) {
	t.Helper()
	for i := range 10_000 - len(oddNames) {
		write(t, filepath.Join(root, fmt.Sprintf("d%02d/e%d/file-%05d", i%50, i%7, i)), strings.Repeat(fmt.Sprintf("%d,", i), i%300), 0o600|os.FileMode(i%8))
	}
	for i, name := range oddNames {
		write(t, filepath.Join(root, "odd", name), fmt.Sprint("odd ", i), 0o644)
	}
	must(t, os.MkdirAll(filepath.Join(root, "empty/within/empty"), 0o750))
	must(t, os.Chmod(filepath.Join(root, "empty"), os.ModeSticky|0o777))
	must(t, os.Symlink("file-00000", filepath.Join(root, "d00/e0/link")))
	must(t, os.Symlink("/nowhere/at all", filepath.Join(root, "dangling")))
	must(t, os.Symlink("..", filepath.Join(root, "odd/up")))
	must(t, os.Link(filepath.Join(root, "d01/e1/file-00001"), filepath.Join(root, "hard link")))
	write(t, filepath.Join(root, "setuid"), "#!/bin/sh\n", 0o755)
	must(t, os.Chmod(filepath.Join(root, "setuid"), os.ModeSetuid|0o755))
	must(t, os.Chown(filepath.Join(root, "d02/e2/file-00002"), 12345, 54321))
	old := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	must(t, os.Chtimes(filepath.Join(root, "d03/e3/file-00003"), old, old))
	must(t, os.Chtimes(filepath.Join(root, "empty"), old, old))
}

// describe returns what a tree holds: mode, owner, time, and content or target of everything, by path.
func describe(t *testing.T, root string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		uid, gid, links := owner(info)
		text := fmt.Sprintf("%v %d:%d", info.Mode(), uid, gid)
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			text += " -> " + target
		case info.Mode().IsRegular():
			text += fmt.Sprintf(" %s %d links %x", info.ModTime().UTC().Format(time.DateTime), links, sha256.Sum256([]byte(read(t, path))))
		case name != ".":
			text += " " + info.ModTime().UTC().Format(time.DateTime)
		}
		all[name] = text
		return nil
	})
	must(t, err)
	return all
}

func TestATreeOfTenThousandFilesComesBackAsItWas(t *testing.T) {
	s := newSite(t, "  media: {}\n")
	root := filepath.Join(s.dir, "media")
	plant(t, root)
	want := describe(t, root)
	if len(want) < 10_000 {
		t.Fatalf("planted %d entries", len(want))
	}
	h := s.addHost("web1", []string{"media"}, "  media: { sources: [{ files: { include: ["+root+"] } }] }\n")
	s.start()
	s.want(h.pusher("run"), 0)
	s.want(s.holdfast("restore", "media", "--to", filepath.Join(s.dir, "back"), "-i", s.identity), 0)
	if diff := cmp.Diff(want, describe(t, filepath.Join(s.dir, "back/media", root))); diff != "" {
		t.Errorf("want - got +\n%s", diff)
	}

	t.Run("and one file alone", func(t *testing.T) {
		path := filepath.Join(root, "odd", oddNames[0])
		s.want(s.holdfast("restore", "media", "--path", path, "--to", filepath.Join(s.dir, "one"), "-i", s.identity), 0)
		got := describe(t, filepath.Join(s.dir, "one"))
		files := 0
		for _, text := range got {
			if strings.HasPrefix(text, "-") {
				files++
			}
		}
		if files != 1 || read(t, filepath.Join(s.dir, "one/media", path)) != "odd 0" {
			t.Errorf("restored %d files: %v", files, got)
		}
	})
}

func TestFilesThatGrowOrVanishWhileReadAreReportedAndTheRestIsWhole(t *testing.T) {
	s := newSite(t, "  media: {}\n")
	root := filepath.Join(s.dir, "media")
	write(t, filepath.Join(root, "a-steady"), strings.Repeat("steady", 1000), 0o644)
	write(t, filepath.Join(root, "z-last"), "last", 0o644)
	fleeting := func(i int) string { return filepath.Join(root, fmt.Sprintf("m/fleeting-%04d", i%3000)) }
	for i := range 3000 {
		write(t, fleeting(i), strings.Repeat("x", 2000), 0o644)
	}
	growing := filepath.Join(root, "b-growing")
	write(t, growing, strings.Repeat("0123456789", 3<<20), 0o644)
	h := s.addHost("web1", []string{"media"}, "  media: { sources: [{ files: { include: ["+root+"] } }] }\n")
	s.start()

	stop, done := make(chan struct{}), make(chan struct{})
	go func() { // grows one file, and the others come and go while the run lasts
		defer close(done)
		f, err := os.OpenFile(growing, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return
		}
		defer f.Close()
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			_, _ = f.WriteString("more")
			_ = os.Remove(fleeting(i))
			_ = os.WriteFile(fleeting(i+1500), []byte("back again"), 0o644)
		}
	}()
	r := h.pusher("run")
	close(stop)
	<-done
	s.want(r, 0)
	var outcome struct {
		Streams []struct {
			Source struct {
				Stats    map[string]int64
				Warnings []string
			}
		}
	}
	decode(t, r.out, &outcome)
	source := outcome.Streams[0].Source
	if source.Stats["changed"] == 0 || source.Stats["vanished"] == 0 || len(source.Warnings) == 0 {
		t.Fatalf("nothing was seen to change: %v, %d warnings", source.Stats, len(source.Warnings))
	}
	s.want(s.holdfast("restore", "media", "--to", filepath.Join(s.dir, "back"), "-i", s.identity), 0)
	back := filepath.Join(s.dir, "back/media", root)
	if got := read(t, filepath.Join(back, "a-steady")); got != strings.Repeat("steady", 1000) {
		t.Error("a file that did not change came back changed")
	}
	if got := read(t, filepath.Join(back, "z-last")); got != "last" {
		t.Error("the file after those that vanished is not whole")
	}
	if got := read(t, filepath.Join(back, "b-growing")); !strings.HasPrefix(got, strings.Repeat("0123456789", 3<<20)) {
		t.Error("the file that grew is not at least what it was")
	}
}
