package files_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/holdfast-backup/holdfast/internal/source/files"
)

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
