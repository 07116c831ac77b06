package open_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/vault/open"
)

func TestOpenDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "vault")
	v, err := open.Open(config.Vault{Disk: &config.Disk{Path: dir}}, open.Options{BaseURL: "https://b.example/v/main"})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Put(t.Context(), "scratch/a", []byte("b")); err != nil {
		t.Error(err)
	}
	if _, ok := v.(interface{ Handler() http.Handler }); !ok {
		t.Error("a disk vault has no handler for its URLs")
	}
}

func TestOpenRefuses(t *testing.T) {
	if v, err := open.Open(config.Vault{}, open.Options{}); err == nil || v != nil {
		t.Errorf("no kind: got %v, %v", v, err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if v, err := open.Open(config.Vault{Disk: &config.Disk{Path: file}}, open.Options{}); err == nil || v != nil {
		t.Errorf("a file in the way: got %v, %v", v, err)
	}
}
