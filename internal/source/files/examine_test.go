package files_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/source/files"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// app is a tree of which three files and a directory let nobody read them.
func app(t *testing.T) string {
	dir := t.TempDir() + "/app"
	write(t, dir+"/public/index", "a")
	write(t, dir+"/storage/logs/today", "b")
	write(t, dir+"/cache/one", "c")
	write(t, dir+"/cache/two", "d")
	write(t, dir+"/cache/three", "e")
	for _, closed := range []string{"/storage/logs", "/cache/one", "/cache/two", "/cache/three"} {
		must(t, os.Chmod(dir+closed, 0))
	}
	t.Cleanup(func() { os.Chmod(dir+"/storage/logs", 0o700) })
	for at := filepath.Dir(dir); at != os.TempDir() && at != "/"; at = filepath.Dir(at) {
		must(t, os.Chmod(at, 0o711))
	}
	return dir
}

func TestExamineLooksAtWhatADumpWouldRead(t *testing.T) {
	dir := app(t)
	for name, c := range map[string]struct {
		options files.Options
		ok      bool
		says    []string
	}{
		"what cannot be read fails": {files.Options{}, false, []string{
			`/app/cache/one": permission denied`, `/app/cache/three": permission denied`, "; and 1 more"}},
		"unless it is to be skipped": {files.Options{SkipUnreadable: true}, true, []string{
			"1 files readable", "skipped", `/app/cache/one": permission denied`}},
		"what is left out does not count":    {files.Options{Exclude: []string{"cache", "logs/"}}, true, []string{"readable, 1 files"}},
		"what is left out leaves nothing":    {files.Options{Exclude: []string{"cache", "logs/", "index"}}, false, []string{"holds no regular file"}},
		"a directory that is closed is told": {files.Options{Exclude: []string{"cache"}}, false, []string{`/app/storage/logs": permission denied`}},
	} {
		t.Run(name, func(t *testing.T) {
			c.options.Include = []string{dir}
			s, err := files.New(c.options)
			must(t, err)
			var found []holdfast.Examination
			testenv.Unprivileged(t, func() { found = s.Examine(t.Context()) })
			if len(found) != 1 || found[0].OK != c.ok || !c.ok && found[0].Hint == "" {
				t.Fatalf("got %+v, want OK %t", found, c.ok)
			}
			for _, text := range c.says {
				if !strings.Contains(found[0].Detail, text) {
					t.Errorf("got %q, want %q in it", found[0].Detail, text)
				}
			}
			// The dump says the same.
			testenv.Unprivileged(t, func() { _, err = dump(t, c.options, io.Discard) })
			if (err == nil) != c.ok {
				t.Errorf("a dump: got %v, want well: %t", err, c.ok)
			}
		})
	}
}

func TestExamineSaysThatItHasNotSeenAll(t *testing.T) {
	dir := t.TempDir()
	for i := range 10 {
		write(t, fmt.Sprintf("%s/%d/file", dir, i), "a")
	}
	s, err := files.New(files.Options{Include: []string{dir}})
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	found := s.Examine(ctx)
	if len(found) != 1 || !found[0].OK || !strings.Contains(found[0].Detail, "as far as it was looked at: 0 files, not all of them") {
		t.Errorf("got %+v", found)
	}
}

func TestWhatCannotBeReadIsAnErrorOfItsOwn(t *testing.T) {
	dir := app(t)
	var err error
	testenv.Unprivileged(t, func() {
		_, err = dump(t, files.Options{Include: []string{dir}, Exclude: []string{"cache"}}, io.Discard)
	})
	unreadable, ok := errors.AsType[*files.UnreadableError](err)
	if !ok || unreadable.Path != dir+"/storage/logs" || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("got %v, want an UnreadableError of %s", err, dir+"/storage/logs")
	}
}
