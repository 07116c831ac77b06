package restore

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/secret"
)

// rawHeader returns a header block as it is, for what archive/tar does not write.
func rawHeader(name string, flag byte, size int) []byte {
	h := make([]byte, 512)
	for at, field := range map[int]string{0: name, 100: "0000644\x00", 108: "0000000\x00", 116: "0000000\x00",
		124: fmt.Sprintf("%011o\x00", size), 136: "00000000000\x00", 148: "        ", 156: string(flag), 257: "ustar\x0000"} {
		copy(h[at:], field)
	}
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return h
}

func paxRecord(key, value string) string {
	for n := len(key) + len(value) + 3; ; n++ {
		if record := fmt.Sprintf("%d %s=%s\n", n, key, value); len(record) == n {
			return record
		}
	}
}

func padded(p []byte) []byte { return append(p, make([]byte, (512-len(p)%512)%512)...) }

// paxBomb is an archive of less than 4 KiB with a file of 3 GiB.
func paxBomb() []byte {
	const logical = 3 << 30
	pax := paxRecord("GNU.sparse.major", "1") + paxRecord("GNU.sparse.minor", "0") +
		paxRecord("GNU.sparse.name", "bomb") + paxRecord("GNU.sparse.realsize", fmt.Sprint(int64(logical)))
	data := make([]byte, 512+1)
	copy(data, "1\n0\n1\n")
	return bytes.Join([][]byte{rawHeader("pax", 'x', len(pax)), padded([]byte(pax)),
		rawHeader("bomb", '0', len(data)), padded(data), make([]byte, 1024)}, nil)
}

// gnuBomb is the same in the older form.
func gnuBomb() []byte {
	h := rawHeader("bomb", tar.TypeGNUSparse, 512)
	copy(h[257:], "ustar  \x00")
	for i, field := range []int64{3<<30 - 512, 512} {
		copy(h[386+12*i:], fmt.Sprintf("%011o\x00", field))
	}
	copy(h[483:], fmt.Sprintf("%011o\x00", int64(3<<30)))
	copy(h[148:], "        ")
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return bytes.Join([][]byte{h, make([]byte, 512), make([]byte, 1024)}, nil)
}

func TestAnArchiveThatGrowsIsRefused(t *testing.T) {
	for name, archive := range map[string][]byte{"sparse of PAX": paxBomb(), "sparse of GNU": gnuBomb()} {
		t.Run(name, func(t *testing.T) {
			if h, err := tar.NewReader(bytes.NewReader(archive)).Next(); err != nil || h.Size != 3<<30 {
				t.Fatalf("the bomb is none: %v", err)
			}
			w := newWorld(t)
			w.backup(testRef, plain{name: "files", file: "files.tar", facts: holdfast.Facts{Kind: "files", Format: "tar"}, data: archive})
			dir := t.TempDir()
			if _, err := w.open(testRef).ToDir(t.Context(), dir, DirOptions{}); !errors.Is(err, holdfast.ErrCorrupt) {
				t.Errorf("got %v, want %v", err, holdfast.ErrCorrupt)
			}
			wantEmpty(t, dir)
		})
	}
	grown := &tree{left: 10}
	if err := errors.Join(grown.charge(&tar.Header{Size: 6}), grown.charge(&tar.Header{Size: 4})); err != nil {
		t.Error(err)
	}
	if err := grown.charge(&tar.Header{Size: 1}); !errors.Is(err, holdfast.ErrCorrupt) {
		t.Errorf("more than the archive is large: got %v, want %v", err, holdfast.ErrCorrupt)
	}
}

func TestWhatDoesNotFitIsRefusedBeforeAnythingIsWritten(t *testing.T) {
	w := newWorld(t)
	w.backup(testRef,
		plain{name: "app", file: "app.sqlite", facts: holdfast.Facts{Kind: "sqlite"}, data: []byte("x")},
		tarOf(t, "media", reg("a", "A")))
	dir := t.TempDir()
	open := func() *Backup {
		b := w.open(testRef)
		for i := range b.Manifest.Streams {
			b.Manifest.Streams[i].PlainSize = holdfast.MaxPlainSize
		}
		return b
	}
	var advice interface{ Hint() string }
	if _, err := open().ToDir(t.Context(), filepath.Join(dir, "new"), DirOptions{}); !errors.Is(err, ErrNoSpace) || !errors.As(err, &advice) {
		t.Errorf("into a directory: got %v, want %v", err, ErrNoSpace)
	}
	if _, err := open().Into(t.Context(), secret.New(filepath.Join(dir, "app.db")), IntoOptions{}); !errors.Is(err, ErrNoSpace) {
		t.Errorf("into a SQLite file: got %v, want %v", err, ErrNoSpace)
	}
	wantEmpty(t, dir)
	if _, err := open().ToDir(t.Context(), dir, DirOptions{Paths: []string{"a"}}); errors.Is(err, ErrNoSpace) {
		t.Errorf("one file out of an archive: got %v", err)
	}
}

func TestErrorsAndWarningsArePrintable(t *testing.T) {
	const hostile = "\x1b]0;pwned\x07\x1b[2J\x1b[Hrestore ok"
	for name, err := range map[string]error{
		"recipients":      &IdentityError{Stream: "crm", Encryption: holdfast.Encryption{Format: "age", Recipients: []string{hostile + "\nrestored"}}},
		"a member's name": (&tree{paths: nil, left: 1}).charge(&tar.Header{Name: hostile, Size: 2}),
	} {
		if text := err.Error(); strings.ContainsAny(text, "\x1b\x07\n") {
			t.Errorf("%s: got %q", name, text)
		}
	}
	c := client{path: "/bin/bash", args: []string{"-c", `printf '\e[2Jfake\n' >&2; exit "$0"`, "1"}}
	for _, status := range []string{"0", "1"} {
		c.args[2] = status
		said, err := c.feed(t.Context(), func(io.Writer) error { return nil })
		if text := fmt.Sprint(said, err); strings.Contains(text, "\x1b") || !strings.Contains(text, "fake") {
			t.Errorf("client: got %q", text)
		}
		_, err = c.output(t.Context())
		if text := fmt.Sprint(err); strings.Contains(text, "\x1b") {
			t.Errorf("client: got %q", text)
		}
	}
	w := newWorld(t)
	w.backup(testRef, tarOf(t, "media", special("x\x1b[2J", tar.TypeFifo)))
	b := w.open(testRef)
	if _, err := b.ToDir(t.Context(), t.TempDir(), DirOptions{}); err != nil {
		t.Fatal(err)
	}
	b.options.Warn("psql said \x1b[2J")
	if all := strings.Join(w.warnings, "\n"); len(w.warnings) != 2 || strings.Contains(all, "\x1b") {
		t.Errorf("warnings: got %q", all)
	}
}
