package disk

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/holdfast-backup/holdfast"
)

// Whoever may write one document must not be able to use up the memory of
// whoever reads it.
func TestADocumentThatNobodyHereWroteIsNotReadWhole(t *testing.T) {
	dir := t.TempDir()
	v, err := New(dir, Options{BaseURL: "http://vault.example"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Swap(t.Context(), "state/retention.json", []byte("{}"), ""); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "state", "retention.json")
	for size, refused := range map[int64]bool{holdfast.MaxState: false, holdfast.MaxState + 1: true} {
		if err := os.Truncate(file, size); err != nil { // sparse
			t.Fatal(err)
		}
		if _, _, err := v.Load(t.Context(), "state/retention.json"); errors.Is(err, holdfast.ErrCorrupt) != refused {
			t.Errorf("%d bytes: got %v", size, err)
		}
	}
}
