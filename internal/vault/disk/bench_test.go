package disk

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/holdfast-backup/holdfast"
)

// BenchmarkList lists 1,000 jobs of 50 backups of 2 files.
func BenchmarkList(b *testing.B) {
	v, _ := newVault(b, b.TempDir(), newClock())
	for job := range 1000 {
		for backup := range 50 {
			dir := filepath.Join(v.root.Name(), fmt.Sprintf("backups/web%d/job%d/20251028T1400%02dZ-9f3c2a7d", job/10, job%10, backup))
			if err := os.MkdirAll(dir, dirMode); err != nil {
				b.Fatal(err)
			}
			for _, name := range []string{"crm.sql.zst.age", holdfast.ManifestFile} {
				if err := os.WriteFile(filepath.Join(dir, name), nil, fileMode); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for _, err := range v.List(b.Context(), holdfast.BackupsPrefix) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != 100_000 {
			b.Fatalf("got %d objects, want 100000", n)
		}
	}
}

// BenchmarkPart receives parts of 8 MiB, each with all its flushes.
func BenchmarkPart(b *testing.B) {
	v, client := newVault(b, b.TempDir(), newClock())
	u := start(b, v, "backups/x")
	// Two, so that each is written and not only compared.
	bodies := [2][]byte{random(int(holdfast.MinPartSize)), random(int(holdfast.MinPartSize))}
	urls := [2]string{sign(b, v, u, 1, bodies[0]).URL, sign(b, v, u, 1, bodies[1]).URL}
	b.SetBytes(holdfast.MinPartSize)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		status, text := do(b, client, http.MethodPut, urls[i%2], bytes.NewReader(bodies[i%2]))
		if status != http.StatusOK {
			b.Fatalf("status %d: %s", status, text)
		}
	}
}
