package files_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast/internal/source/files"
)

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
