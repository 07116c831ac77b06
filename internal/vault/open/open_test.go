package open_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/vault/open"
)

func TestOpenDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "vault")
	var log bytes.Buffer
	options := open.Options{BaseURL: "https://b.example/v/main", Create: true, Log: slog.New(slog.NewTextHandler(&log, nil))}
	v, err := open.Open(t.Context(), config.Vault{Disk: &config.Disk{Path: dir}}, options)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "a new vault begins") {
		t.Errorf("that it is new is not said: %q", log.String())
	}
	if err := v.Put(t.Context(), "scratch/a", []byte("b")); err != nil {
		t.Error(err)
	}
	log.Reset()
	if _, err := open.Open(t.Context(), config.Vault{Disk: &config.Disk{Path: dir}}, options); err != nil || log.Len() > 0 {
		t.Errorf("a vault that was there: %v, said %q", err, log.String())
	}
	if _, ok := v.(interface{ Handler() http.Handler }); !ok {
		t.Error("a disk vault has no handler for its URLs")
	}
}

func TestOpenRefuses(t *testing.T) {
	if v, err := open.Open(t.Context(), config.Vault{}, open.Options{}); err == nil || v != nil {
		t.Errorf("no kind: got %v, %v", v, err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if v, err := open.Open(t.Context(), config.Vault{Disk: &config.Disk{Path: file}}, open.Options{Create: true}); err == nil || v != nil {
		t.Errorf("a file in the way: got %v, %v", v, err)
	}
}

func TestAVaultThatIsGoneIsNotOneWithoutBackups(t *testing.T) {
	dir := t.TempDir()
	owned := filepath.Join(dir, "owned")
	if err := os.Mkdir(owned, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(owned, 12345, 12345); err != nil {
		t.Fatalf("the tests run as root: %v", err)
	}
	for _, c := range []struct {
		name, path string
		create     bool
		want       string
	}{
		{"a directory that is not there", filepath.Join(dir, "absent"), false, "no such directory"},
		{"an empty one, as an unmounted disk leaves", t.TempDir(), false, "is empty"},
		{"another user's, as root", owned, true, "belongs to 12345"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := open.Open(t.Context(), config.Vault{Disk: &config.Disk{Path: c.path}}, open.Options{Create: c.create})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			var hinted interface{ Hint() string }
			if !errors.As(err, &hinted) || hinted.Hint() == "" {
				t.Error("it has no hint")
			}
		})
	}
	if _, err := os.Stat(filepath.Join(dir, "absent")); err == nil {
		t.Error("the absent directory was made")
	}
}
