package disk

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/vault/layout"
)

// instead makes something in place of a file.
func instead(name string, make func(name string) error) error {
	return errors.Join(os.Remove(name), make(name))
}

func TestADamagedRecordDisturbsNoOtherUploadAndCanBeAborted(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, dir string) error{
		"empty": func(_ *testing.T, dir string) error { return os.Truncate(filepath.Join(dir, layout.RecordFile), 0) },
		"no JSON": func(_ *testing.T, dir string) error {
			return os.WriteFile(filepath.Join(dir, layout.RecordFile), []byte("\x00\x00"), fileMode)
		},
		"no key": func(_ *testing.T, dir string) error {
			return os.WriteFile(filepath.Join(dir, layout.RecordFile), []byte("{}"), fileMode)
		},
		"bad key": func(_ *testing.T, dir string) error {
			return os.WriteFile(filepath.Join(dir, layout.RecordFile), []byte(`{"key":"../x"}`), fileMode)
		},
		"no lock": func(_ *testing.T, dir string) error {
			return errors.Join(os.Truncate(filepath.Join(dir, layout.RecordFile), 0), os.Remove(filepath.Join(dir, lockFile)))
		},
		"no record": func(_ *testing.T, dir string) error { return os.Remove(filepath.Join(dir, layout.RecordFile)) },
		"a record of a gigabyte": func(_ *testing.T, dir string) error {
			return os.Truncate(filepath.Join(dir, layout.RecordFile), 1<<30)
		},
		"a directory in place of the record": func(_ *testing.T, dir string) error {
			return instead(filepath.Join(dir, layout.RecordFile), func(name string) error { return os.MkdirAll(filepath.Join(name, "more"), dirMode) })
		},
		"a pipe in place of the record": func(_ *testing.T, dir string) error {
			return instead(filepath.Join(dir, layout.RecordFile), func(name string) error { return syscall.Mkfifo(name, fileMode) })
		},
		"a link in place of the record": func(_ *testing.T, dir string) error {
			return errors.Join(os.Rename(filepath.Join(dir, layout.RecordFile), filepath.Join(dir, "other")),
				os.Symlink("other", filepath.Join(dir, layout.RecordFile)))
		},
		"a directory in place of the lock": func(_ *testing.T, dir string) error {
			return errors.Join(os.Truncate(filepath.Join(dir, layout.RecordFile), 0),
				instead(filepath.Join(dir, lockFile), func(name string) error { return os.Mkdir(name, dirMode) }))
		},
		"no bytes": func(_ *testing.T, dir string) error {
			return errors.Join(os.Truncate(filepath.Join(dir, layout.RecordFile), 0), os.Remove(filepath.Join(dir, layout.DataFile)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			v, _ := newVault(t, t.TempDir(), newClock())
			good, bad := start(t, v, "backups/web1/crm/good"), start(t, v, "backups/web1/crm/bad")
			if err := damage(t, filepath.Join(v.root.Name(), layout.UploadDir(bad.ID))); err != nil {
				t.Fatal(err)
			}
			list := func(prefix string) map[string]string {
				keys := map[string]string{}
				for u, err := range v.ListUploads(t.Context(), prefix) {
					if err != nil {
						t.Fatalf("list %q: %v", prefix, err)
					}
					if keys[u.ID] = u.Key; u.Started.IsZero() {
						t.Errorf("upload %q has no time", u.ID)
					}
				}
				return keys
			}
			if diff := cmp.Diff(map[string]string{good.ID: good.Key}, list("backups/web1/crm/")); diff != "" {
				t.Errorf("of the job: %s", diff)
			}
			if diff := cmp.Diff(map[string]string{good.ID: good.Key, bad.ID: ""}, list(holdfast.BackupsPrefix)); diff != "" {
				t.Errorf("of all: %s", diff)
			}
			if err := v.AbortUpload(t.Context(), holdfast.Upload{ID: bad.ID}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(map[string]string{good.ID: good.Key}, list("")); diff != "" {
				t.Errorf("after the abort: %s", diff)
			}
			if _, err := v.root.Lstat(layout.UploadDir(bad.ID)); err == nil {
				t.Error("its directory is left")
			}
		})
	}
}

// leave makes what others can leave in .uploads, of the only upload there, and returns
// its directory.
func leave(t *testing.T, root, file string, make func(name string) error) {
	t.Helper()
	dir := filepath.Join(root, layout.UploadDir(strings.Repeat("A", 26)))
	if err := errors.Join(os.MkdirAll(dir, 0o755), make(filepath.Join(dir, file))); err != nil {
		t.Fatal(err)
	}
}

func sparse(name string) error {
	return errors.Join(os.WriteFile(name, nil, 0o644), os.Truncate(name, 1<<30))
}

// One byte that somebody writes far out makes a file of any size, which takes no room.
func TestWhatIsTooLargeIsNotRead(t *testing.T) {
	root := t.TempDir()
	leave(t, root, layout.RecordFile, sparse)
	leave(t, root, partFile(1, "json"), sparse)
	leave(t, root, shortFile, sparse)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	v, _ := newVault(t, root, newClock())
	if err := firstError(v.ListUploads(t.Context(), "")); err != nil {
		t.Error(err)
	}
	id := strings.Repeat("A", 26)
	if _, err := v.readUpload(id, ""); !errors.Is(err, holdfast.ErrCorrupt) {
		t.Errorf("record: got error %v, want %v", err, holdfast.ErrCorrupt)
	}
	if r, ok := v.readReceipt(id, 1); ok {
		t.Errorf("receipt: got %+v, want none", r)
	}
	if err := v.claimShort(id, 1); !errors.Is(err, holdfast.ErrCorrupt) {
		t.Errorf("claim: got error %v, want %v", err, holdfast.ErrCorrupt)
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 16<<20 {
		t.Errorf("it took %d MiB of memory", got>>20)
	}
}

func firstError[T any](all func(func(T, error) bool)) (first error) {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestALinkInPlaceOfALockMakesNoFile(t *testing.T) {
	for name, to := range map[string]string{"out": "", "in": "../../state/made"} {
		t.Run(name, func(t *testing.T) {
			root, outside := t.TempDir(), t.TempDir()
			v, _ := newVault(t, root, newClock())
			if to == "" {
				to = filepath.Join(outside, "made")
			}
			if err := os.Mkdir(filepath.Join(root, "state"), dirMode); err != nil {
				t.Fatal(err)
			}
			leave(t, root, layout.RecordFile, func(name string) error {
				return os.WriteFile(name, []byte(`{"key":"backups/web1/crm/20250101T000000Z-00000000/crm.sql","started":"2025-01-01T00:00:00Z"}`), 0o644)
			})
			leave(t, root, lockFile, func(name string) error { return os.Symlink(to, name) })
			aborted := 0
			for u, err := range v.ListUploads(t.Context(), holdfast.BackupsPrefix) {
				if err != nil {
					t.Fatal(err)
				}
				if _, err := v.lockUpload(t.Context(), u.ID, shared); !errors.Is(err, holdfast.ErrCorrupt) {
					t.Errorf("lock: got error %v, want %v", err, holdfast.ErrCorrupt)
				}
				if err := v.AbortUpload(t.Context(), u); err != nil {
					t.Error(err)
				}
				aborted++
			}
			if aborted != 1 {
				t.Errorf("%d uploads are listed, want 1", aborted)
			}
			if got := append(files(t, root), files(t, outside)...); len(got) > 0 {
				t.Errorf("left: %q, want nothing", got)
			}
		})
	}
	root, outside := t.TempDir(), t.TempDir()
	v, _ := newVault(t, root, newClock())
	if err := os.Symlink(filepath.Join(outside, "made"), filepath.Join(root, stateLock)); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Swap(t.Context(), "state/x", nil, ""); !errors.Is(err, holdfast.ErrCorrupt) {
		t.Errorf("swap: got error %v, want %v", err, holdfast.ErrCorrupt)
	}
	if got := files(t, outside); len(got) > 0 {
		t.Errorf("outside: %q, want nothing", got)
	}
}

// A part that is sent, and a file that is cut to size, are the upload's own.
func TestALinkInPlaceOfTheDataLeadsToNoObject(t *testing.T) {
	root := t.TempDir()
	v, _ := newVault(t, root, newClock())
	if err := v.Put(t.Context(), "backups/object", []byte("a body")); err != nil {
		t.Fatal(err)
	}
	u, body := start(t, v, "backups/x"), []byte("other")
	dir := filepath.Join(root, layout.UploadDir(u.ID))
	link := func(name string) error { return os.Symlink("../../backups/object", name) }
	if err := instead(filepath.Join(dir, layout.DataFile), link); err != nil {
		t.Fatal(err)
	}
	if err := v.SendPart(t.Context(), u, part(1, body), strings.NewReader("other")); err == nil {
		t.Error("a part was sent")
	}
	if err := v.writeReceipt(u.ID, 1, receipt{5, part(1, body).Sum}); err != nil {
		t.Fatal(err)
	}
	if err := v.CompleteUpload(t.Context(), u, []holdfast.Part{part(1, body)}, 5); err == nil {
		t.Error("the upload was completed")
	}
	if got := content(t, v, "backups/object"); string(got) != "a body" {
		t.Errorf("the object has become %q", got)
	}
}

// What a crash has left in .tmp is removed with all that lies below it.
func TestALinkInPlaceOfTheVaultsOwnDirectoryIsRefused(t *testing.T) {
	for _, own := range []string{layout.TempDir, layout.UploadsDir} {
		root := t.TempDir()
		old := filepath.Join(root, "backups", "old")
		if err := errors.Join(os.MkdirAll(old, dirMode), os.Symlink("backups", filepath.Join(root, own)),
			os.WriteFile(filepath.Join(old, "x"), nil, fileMode)); err != nil {
			t.Fatal(err)
		}
		v, err := New(root, Options{Now: func() time.Time { return time.Now().Add(48 * time.Hour) }})
		if err == nil {
			v.Close()
			t.Errorf("%s: the vault was opened", own)
		}
		if _, err := os.Stat(filepath.Join(old, "x")); err != nil {
			t.Errorf("%s: %v", own, err)
		}
	}
}
