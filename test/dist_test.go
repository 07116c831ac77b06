package test

import (
	"archive/zip"
	"bytes"
	"debug/elf"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// maxZip is how large the zip of a function may be.
const maxZip = 12 << 20 // bytes

// Whoever builds the same source gets the same bytes, wherever it lies and
// whatever repository it is in: the second place is another one, and under git.
func TestAFunctionsZipIsTheSameWhereverItIsBuilt(t *testing.T) {
	const name = "monitor"
	first := buildZips(t, copySource(t, "here"), name)[name]
	second := copySource(t, "somewhere/else/with/a/longer/name")
	for _, args := range [][]string{
		{"init", "-q"}, {"add", "."},
		{"-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false", "commit", "-q", "-m", "all"},
	} {
		command(t, second, "git", args...)
	}
	if again := buildZips(t, second, name)[name]; !bytes.Equal(first, again) {
		t.Errorf("two builds of %s differ: %d and %d bytes", name, len(first), len(again))
	}
}

func TestEachFunctionsZipIsSmallAndHoldsOneStaticProgram(t *testing.T) {
	zips := buildZips(t, copySource(t, "here"), "broker", "restore", "retention", "monitor")
	for name, body := range zips {
		if len(body) > maxZip {
			t.Errorf("%s: %d bytes, want at most %d", name, len(body), maxZip)
		}
		archive, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if n := len(archive.File); n != 1 || archive.File[0].Name != "bootstrap" || archive.File[0].Mode() != 0o755 {
			t.Fatalf("%s: %d files, the first %q, mode %o", name, n, archive.File[0].Name, archive.File[0].Mode())
		}
		file, err := archive.File[0].Open()
		must(t, err)
		program, err := io.ReadAll(file)
		must(t, err)
		binary, err := elf.NewFile(bytes.NewReader(program))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, p := range binary.Progs {
			if p.Type == elf.PT_INTERP {
				t.Errorf("%s is not static", name)
			}
		}
		if !bytes.Contains(program, []byte("v1.2.3-test")) {
			t.Errorf("%s does not know its version", name)
		}
		t.Logf("%s: %.1f MiB", name, float64(len(body))/(1<<20))
	}
}

// copySource copies what the functions are built of below a new directory.
func copySource(t *testing.T, below string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), below)
	must(t, os.MkdirAll(dir, 0o755))
	files, err := filepath.Glob("../*.go")
	must(t, err)
	for _, from := range append(files, "../Makefile", "../go.mod", "../go.sum") {
		write(t, filepath.Join(dir, filepath.Base(from)), read(t, from), 0o644)
	}
	for _, tree := range []string{"functions", "internal"} {
		must(t, os.CopyFS(filepath.Join(dir, tree), os.DirFS(filepath.Join("..", tree))))
	}
	return dir
}

// buildZips builds zips of functions for this machine and returns them by name.
func buildZips(t *testing.T, dir string, names ...string) map[string][]byte {
	t.Helper()
	zips := map[string][]byte{}
	for _, name := range names {
		command(t, dir, "make", "functions", "ARCH="+runtime.GOARCH, "FUNCTIONS="+name, "VERSION=v1.2.3-test")
		zips[name] = []byte(read(t, filepath.Join(dir, "dist", "functions", name+"-"+runtime.GOARCH+".zip")))
	}
	return zips
}

func command(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	c := exec.Command(name, args...)
	c.Dir = dir
	c.Env = append(os.Environ(), "GOFLAGS=-buildvcs=auto") // what it is where nobody has said otherwise
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}
