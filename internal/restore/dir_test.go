package restore

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/holdfast-backup/holdfast/internal/stream"
)

// wantEmpty fails the test if anything is in dir, hidden or not.
func wantEmpty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Errorf("left behind: %q", e.Name())
	}
}

func TestDumpsBecomeFilesOfTheirOwnName(t *testing.T) {
	w := newWorld(t)
	dump, other := noise(300_000), []byte("log\n")
	w.backup(testRef, plain{name: "crm", file: "crm.sql", data: dump}, plain{name: "log", file: "log.txt", data: other})
	dir := filepath.Join(t.TempDir(), "deep", "down")
	written, err := w.open(testRef).ToDir(t.Context(), dir, DirOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := []Written{{Stream: "crm", Path: filepath.Join(dir, "crm.sql"), Size: 300_000}, {Stream: "log", Path: filepath.Join(dir, "log.txt"), Size: 4}}
	if diff := cmp.Diff(want, written); diff != "" {
		t.Error(diff)
	}
	for path, want := range map[string][]byte{"crm.sql": dump, "log.txt": other} {
		got, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: got %d bytes and %v", path, len(got), err)
		}
		if info, err := os.Stat(filepath.Join(dir, path)); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: got mode %v, %v; want 0600", path, info.Mode(), err)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("got %v, want the two files", entries)
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	w := newWorld(t)
	w.backup(testRef, plain{name: "log", file: "log.txt", data: []byte("new")}, plain{name: "crm", file: "crm.sql", data: []byte("new")},
		tarOf(t, "media", reg("a", "x")))
	for _, name := range []string{"crm.sql", "media"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, name), []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := w.open(testRef).ToDir(t.Context(), dir, DirOptions{}); !errors.Is(err, ErrTargetExists) {
			t.Errorf("%s is there: got %v, want %v", name, err, ErrTargetExists)
		}
		if got, _ := os.ReadFile(filepath.Join(dir, name)); string(got) != "old" {
			t.Errorf("%s: got %q, want it untouched", name, got)
		}
		os.Remove(filepath.Join(dir, name))
		wantEmpty(t, dir)
	}
}

func TestNothingIsOverwrittenThatAppearsMeanwhile(t *testing.T) {
	w := newWorld(t)
	w.backup(testRef, plain{name: "log", file: "log.txt", data: []byte("new")}, plain{name: "crm", file: "crm.sql", data: []byte("new")})
	dir := t.TempDir()
	b := w.open(testRef)
	b.options.Progress = func(int64, int64) { os.WriteFile(filepath.Join(dir, "crm.sql"), []byte("old"), 0o600) }
	if _, err := b.ToDir(t.Context(), dir, DirOptions{}); !errors.Is(err, ErrTargetExists) {
		t.Errorf("got %v, want %v", err, ErrTargetExists)
	}
	if got, _ := os.ReadFile(filepath.Join(dir, "crm.sql")); string(got) != "old" {
		t.Errorf("got %q, want it untouched", got)
	}
	os.Remove(filepath.Join(dir, "crm.sql"))
	wantEmpty(t, dir)
}

func TestStreamsThatBecomeTheSameFileAreRefused(t *testing.T) {
	w := newWorld(t)
	w.backup(testRef, plain{name: "a", file: "crm.sql", data: []byte("x")}, plain{name: "b", file: "crm.sql", data: []byte("y"), open: true})
	dir := t.TempDir()
	var choice *ChoiceError
	if _, err := w.open(testRef).ToDir(t.Context(), dir, DirOptions{}); !errors.As(err, &choice) {
		t.Errorf("got %v, want a choice", err)
	}
	wantEmpty(t, dir)
}

func TestInterruptedRestoreLeavesNothing(t *testing.T) {
	w := newWorld(t)
	w.backup(testRef, plain{name: "crm", file: "crm.sql", data: noise(500_000)},
		tarOf(t, "media", reg("d/a", string(noise(500_000))), dirEntry("locked", 0o500), reg("locked/b", "x"), reg("z", string(noise(500_000)))))
	for _, at := range []float64{0.1, 0.5, 0.99} {
		parent := t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		b := w.open(testRef)
		b.options.Progress = func(done, total int64) {
			if float64(done) >= at*float64(total) {
				cancel()
			}
		}
		if _, err := b.ToDir(ctx, filepath.Join(parent, "new"), DirOptions{}); !errors.Is(err, context.Canceled) {
			t.Errorf("at %v: got %v, want %v", at, err, context.Canceled)
		}
		wantEmpty(t, parent)
	}
}

func TestLeftoversOfKilledRestoresAreRemovedUnlessInUse(t *testing.T) {
	w := newWorld(t)
	w.backup(testRef, plain{name: "crm", file: "crm.sql", data: []byte("x")})
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	abandoned, err := newPartial(root, "crm.sql", false)
	if err != nil {
		t.Fatal(err)
	}
	abandoned.file.Close() // as a process that was killed does
	busy, err := newPartial(root, "crm.sql", false)
	if err != nil {
		t.Fatal(err)
	}
	defer busy.discard()
	others := []string{".crm.sql.partial-nothex0123456789", ".other.sql.partial-0123456789abcdef"}
	for _, name := range others {
		os.WriteFile(filepath.Join(dir, name), nil, 0o600)
	}
	if _, err := w.open(testRef).ToDir(t.Context(), dir, DirOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := root.Lstat(abandoned.temp); err == nil {
		t.Error("the abandoned file is still there")
	}
	for _, name := range append(others, busy.temp, "crm.sql") {
		if _, err := root.Lstat(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFullDiskFailsTheRestoreAndLeavesNothing(t *testing.T) {
	w := newWorld(t)
	w.backup(testRef, plain{name: "crm", file: "crm.sql", data: noise(3 << 20)}, tarOf(t, "media", reg("a", string(noise(3<<20)))))
	disk := t.TempDir()
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=5m"); err != nil {
		t.Fatalf("mount a small tmpfs (needs root): %v", err)
	}
	t.Cleanup(func() { unix.Unmount(disk, 0) })
	dir, other := filepath.Join(disk, "dir"), filepath.Join(disk, "other")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"crm", "media"} {
		os.Remove(other)
		b := w.open(testRef)
		b.options.Progress = func(done, _ int64) { // somebody else takes the room meanwhile
			if _, err := os.Stat(other); err != nil {
				os.WriteFile(other, make([]byte, 4<<20), 0o600)
			}
		}
		if _, err := b.ToDir(t.Context(), dir, DirOptions{Streams: []string{name}}); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: got %v, want %v", name, err, syscall.ENOSPC)
		}
		wantEmpty(t, dir)
	}
}

func TestWrongIdentityNamesTheRecipients(t *testing.T) {
	w := newWorld(t)
	w.backup(testRef, plain{name: "crm", file: "crm.sql", data: []byte("x")})
	dir := t.TempDir()
	b, err := Open(t.Context(), w.direct(testRef), newWorld(t).options())
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.ToDir(t.Context(), dir, DirOptions{})
	var wrong *IdentityError
	if !errors.As(err, &wrong) || !strings.Contains(err.Error(), w.identity.Recipient().String()) || wrong.Hint() == "" {
		t.Errorf("got %v, want the recipients named", err)
	}
	wantEmpty(t, dir)
	b.options.Identities = stream.Identities{}
	if err := b.ToWriter(t.Context(), "", io.Discard); !errors.As(err, &wrong) {
		t.Errorf("without any: got %v, want the recipients named", err)
	}
}
