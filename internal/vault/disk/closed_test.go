package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/testenv"
	"github.com/holdfast-backup/holdfast/internal/vault/layout"
)

// openToAll returns a directory that everybody may write to. What is closed in it is
// opened for its removal.
func openToAll(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	if err := errors.Join(os.Chmod(filepath.Dir(root), 0o755), os.Chmod(root, 0o777)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
			if err != nil {
				return fs.SkipDir
			}
			if e.IsDir() {
				return os.Chmod(name, 0o755)
			}
			return nil
		})
	})
	return root
}

func TestADirectoryThatIsClosedIsPassedOver(t *testing.T) {
	root := openToAll(t)
	testenv.Unprivileged(t, func() {
		const good, closed = "backups/web1/crm/20251027T030000Z-00000007/manifest.json", "backups/web1/crm/20251028T030000Z-00000001"
		v, err := New(root, Options{Now: func() time.Time { return time.Now().Add(48 * time.Hour) }})
		if err != nil {
			t.Error(err)
			return
		}
		defer v.Close()
		for _, key := range []string{good, closed + "/manifest.json", "backups/web1/web/x/y"} {
			if err := v.Put(t.Context(), key, []byte("{}")); err != nil {
				t.Error(err)
			}
		}
		upload := layout.UploadDir(strings.Repeat("A", 26))
		for _, dir := range []string{upload, closed, "backups/web1/crm/20251029T030000Z-00000002", "reports/web1/crm/x", ".tmp/x"} {
			if err := errors.Join(os.MkdirAll(filepath.Join(root, dir), 0o755), os.Chmod(filepath.Join(root, dir), 0)); err != nil {
				t.Error(err)
			}
		}
		want := []string{good, closed + "/", "backups/web1/crm/20251029T030000Z-00000002/"}
		for _, prefix := range []string{"backups/web1/crm/", "backups/web1/crm/2025", "backups/web1/c"} {
			if got := keys(t, v, prefix); !slices.Equal(got, want) {
				t.Errorf("%q: got %q, want %q", prefix, got, want)
			}
		}
		if got := keys(t, v, holdfast.ReportsPrefix); !slices.Equal(got, []string{"reports/web1/crm/x/"}) {
			t.Errorf("reports: got %q", got)
		}
		if err := firstError(v.List(t.Context(), closed+"/")); !errors.Is(err, syscall.EACCES) {
			t.Errorf("list what is closed: got error %v, want %v", err, syscall.EACCES)
		}
		// Names that can be read and not looked at are closed too.
		if err := os.Chmod(filepath.Join(root, closed), 0o444); err != nil {
			t.Error(err)
		}
		if got := keys(t, v, "backups/web1/crm/"); !slices.Equal(got, want) {
			t.Errorf("with readable names: got %q, want %q", got, want)
		}
		uploads := 0
		for u, err := range v.ListUploads(t.Context(), "") {
			if uploads++; err != nil || u.Key != "" || u.Started.IsZero() {
				t.Errorf("got %+v and error %v, want an upload without a key", u, err)
			}
			if err := v.AbortUpload(t.Context(), u); err != nil {
				t.Error(err)
			}
		}
		if _, err := v.root.Lstat(upload); uploads != 1 || err == nil {
			t.Errorf("%d uploads were listed, want 1, and it is there: %v", uploads, err == nil)
		}
		if err := os.Chmod(filepath.Join(root, "backups/web1/web"), 0); err != nil {
			t.Error(err)
		}
		for _, prefix := range []string{"backups/web1/web/", holdfast.BackupsPrefix} {
			if err := firstError(v.List(t.Context(), prefix)); !errors.Is(err, syscall.EACCES) {
				t.Errorf("%q with a closed job: got error %v, want %v", prefix, err, syscall.EACCES)
			}
		}
	})
}

func TestWhatCannotBeRemovedKeepsNobodyFromTheVault(t *testing.T) {
	root := openToAll(t)
	testenv.Unprivileged(t, func() {
		v, err := New(root, Options{})
		if err != nil {
			t.Error(err)
			return
		}
		defer v.Close()
		u, err := v.StartUpload(t.Context(), "backups/x")
		if err != nil {
			t.Error(err)
		}
		// As a crash leaves it once the object is there, and in a directory that may not
		// be changed.
		dir, inside := filepath.Join(root, layout.UploadDir(u.ID)), filepath.Join(root, layout.TempDir, "x", "y", "z")
		if err := errors.Join(
			os.Mkdir(filepath.Join(root, "backups"), 0o755), os.Rename(filepath.Join(dir, layout.DataFile), filepath.Join(dir, sealedFile)),
			os.Link(filepath.Join(dir, sealedFile), filepath.Join(root, "backups", "x")), os.Chmod(dir, 0o555),
			os.MkdirAll(inside, 0o755), os.Chmod(filepath.Dir(inside), 0),
		); err != nil {
			t.Error(err)
		}
		later, err := New(root, Options{Now: func() time.Time { return time.Now().Add(48 * time.Hour) }})
		if err != nil {
			t.Error(err)
			return
		}
		defer later.Close()
		if got := keys(t, later, ""); !slices.Equal(got, []string{"backups/x"}) {
			t.Errorf("got %q, want the object", got)
		}
	})
}
