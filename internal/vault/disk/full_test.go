package disk

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/holdfast-backup/holdfast"
)

// small mounts a file system of 4 MiB, which takes root's rights.
func small(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m,nr_inodes=200"); err != nil {
		t.Fatalf("mount a small tmpfs, which takes root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return filepath.Join(dir, "vault")
}

func TestOnAFullDiskNothingIsHalfStored(t *testing.T) {
	v, client := newVault(t, small(t), newClock())
	if err := v.Put(t.Context(), "backups/small", []byte("x")); err != nil {
		t.Fatal(err)
	}
	large := random(6 << 20)
	if err := v.Put(t.Context(), "backups/large", large); !errors.Is(err, holdfast.ErrFull) {
		t.Errorf("put: got error %v, want %v", err, holdfast.ErrFull)
	}
	if _, err := v.Swap(t.Context(), "state/large", large, ""); !errors.Is(err, holdfast.ErrFull) {
		t.Errorf("swap: got error %v, want %v", err, holdfast.ErrFull)
	}
	u := start(t, v, "backups/uploaded")
	status, text := do(t, client, http.MethodPut, sign(t, v, u, 1, large).URL, bytes.NewReader(large))
	if status != http.StatusInsufficientStorage {
		t.Errorf("send a part: got status %d, want %d: %s", status, http.StatusInsufficientStorage, text)
	}
	err := v.CompleteUpload(t.Context(), u, []holdfast.Part{part(1, large)}, int64(len(large)))
	if !errors.Is(err, holdfast.ErrCorrupt) {
		t.Errorf("complete: got error %v, want %v", err, holdfast.ErrCorrupt)
	}
	// What is there stays readable and can be deleted.
	if got, want := keys(t, v, ""), []string{"backups/small"}; !slices.Equal(got, want) {
		t.Errorf("listed: %q, want %q", got, want)
	}
	if err := v.Put(t.Context(), "backups/small", []byte("x")); err != nil {
		t.Errorf("put the same again: %v", err)
	}
	if err := v.AbortUpload(t.Context(), u); err != nil {
		t.Error(err)
	}
	if got, want := files(t, v.root.Name()), []string{stateLock, "backups/small"}; !slices.Equal(got, want) {
		t.Errorf("left: %q, want %q", got, want)
	}
	// Room again, once the upload is gone.
	if err := v.Put(t.Context(), "backups/next", large[:2<<20]); err != nil {
		t.Error(err)
	}
}

func TestCompletingNeedsNoRoomForTheData(t *testing.T) {
	v, client := newVault(t, small(t), newClock())
	u, body := start(t, v, "backups/x"), random(3<<20)
	p := send(t, v, client, u, 1, body)
	if err := v.CompleteUpload(t.Context(), u, []holdfast.Part{p}, p.Size); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(content(t, v, u.Key), body) {
		t.Error("the object has other bytes")
	}
}

func TestOutOfFilesIsFullAndCompletingCanBeRepeated(t *testing.T) {
	v, client := newVault(t, small(t), newClock())
	u, body := start(t, v, "backups/web1/crm/x"), []byte("a body")
	p := send(t, v, client, u, 1, body)
	filler := filepath.Join(filepath.Dir(v.root.Name()), "filler")
	if err := os.Mkdir(filler, dirMode); err != nil {
		t.Fatal(err)
	}
	for {
		f, err := os.CreateTemp(filler, "")
		if errors.Is(err, syscall.ENOSPC) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	if err := v.CompleteUpload(t.Context(), u, []holdfast.Part{p}, p.Size); !errors.Is(err, holdfast.ErrFull) {
		t.Errorf("complete: got error %v, want %v", err, holdfast.ErrFull)
	}
	if _, err := v.StartUpload(t.Context(), "backups/y"); !errors.Is(err, holdfast.ErrFull) {
		t.Errorf("start upload: got error %v, want %v", err, holdfast.ErrFull)
	}
	if err := os.RemoveAll(filler); err != nil {
		t.Fatal(err)
	}
	if err := v.CompleteUpload(t.Context(), u, []holdfast.Part{p}, p.Size); err != nil {
		t.Error(err)
	}
	if got := content(t, v, u.Key); !bytes.Equal(got, body) {
		t.Errorf("got %q, want %q", got, body)
	}
}
