package files_test

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/holdfast-backup/holdfast/internal/source/files"
)

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
