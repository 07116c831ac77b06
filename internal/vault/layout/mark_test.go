package layout

import (
	"io/fs"
	"testing"
	"testing/fstest"
	"time"
)

func TestWhatIsHidden(t *testing.T) {
	written := time.Date(2025, 10, 28, 14, 0, 0, 0, time.UTC)
	mark := func(after time.Duration) *fstest.MapFile {
		return &fstest.MapFile{Mode: fs.ModeDir, ModTime: written.Add(after)}
	}
	for name, c := range map[string]struct {
		beside fstest.MapFS
		want   bool
	}{
		"nothing beside it":        {fstest.MapFS{}, false},
		"begun":                    {fstest.MapFS{".x.begun": mark(-time.Hour)}, true},
		"begun and done":           {fstest.MapFS{".x.begun": mark(-time.Hour), ".x.done": mark(time.Hour)}, false},
		"done":                     {fstest.MapFS{".x.done": mark(0)}, false},
		"a mark of the same time":  {fstest.MapFS{".x.begun": mark(0)}, true},
		"a mark a minute later":    {fstest.MapFS{".x.begun": mark(time.Minute)}, true},
		"a mark that is younger":   {fstest.MapFS{".x.begun": mark(time.Minute + 1)}, false},
		"another one is begun":     {fstest.MapFS{".y.begun": mark(-time.Hour)}, false},
		"another one is done":      {fstest.MapFS{".x.begun": mark(-time.Hour), ".y.done": mark(0)}, true},
		"an object named as marks": {fstest.MapFS{"x.begun": mark(-time.Hour)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			c.beside["x"] = &fstest.MapFile{ModTime: written}
			entries, err := c.beside.ReadDir(".")
			if err != nil {
				t.Fatal(err)
			}
			m := Marks{}
			for _, e := range entries {
				info, err := e.Info()
				if err != nil {
					t.Fatal(err)
				}
				m.Add(info)
				if m.Has(e.Name()) != Own(e.Name()) {
					t.Errorf("%q is taken for a mark: %v", e.Name(), m.Has(e.Name()))
				}
			}
			x, err := c.beside.Stat("x")
			if err != nil {
				t.Fatal(err)
			}
			if got := m.Hide(x); got != c.want {
				t.Errorf("hidden: got %v, want %v", got, c.want)
			}
		})
	}
}
