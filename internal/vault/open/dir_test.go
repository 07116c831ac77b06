package open

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

func hintOf(err error) string {
	var hinted interface{ Hint() string }
	if !errors.As(err, &hinted) {
		return ""
	}
	return hinted.Hint()
}

// passable makes the directories above path such that any user may pass.
func passable(t *testing.T, path string) {
	t.Helper()
	for at := path; at != os.TempDir() && at != "/"; at = filepath.Dir(at) {
		if err := os.Chmod(at, 0o711); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAVaultThatCannotBeBegunIsNotAnnounced(t *testing.T) {
	dir := t.TempDir()
	passable(t, dir)
	there := filepath.Join(dir, "there")
	if err := os.Mkdir(there, 0o711); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o511); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(dir, 0o700) })
	for name, path := range map[string]string{
		"its directory cannot be made":  filepath.Join(dir, "a b"),
		"nothing can be written in it":  there,
		"the one above it is closed to": filepath.Join(there, "vault"),
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			var err error
			if os.Getuid() != 0 {
				if err := os.Chmod(there, 0o511); err != nil {
					t.Fatal(err)
				}
			}
			testenv.Unprivileged(t, func() {
				_, err = Open(t.Context(), config.Vault{Disk: &config.Disk{Path: path}}, Options{Create: true, Log: slog.New(slog.NewTextHandler(&log, nil))})
			})
			if !errors.Is(err, fs.ErrPermission) || !strings.HasPrefix(err.Error(), "open vault ") {
				t.Fatalf("got %v, want permission denied", err)
			}
			if hint := hintOf(err); !strings.Contains(hint, "install -d -o ") || !strings.HasSuffix(hint, " -m 0700 "+quote(path)) {
				t.Errorf("got the hint %q", hint)
			}
			if log.Len() > 0 {
				t.Errorf("it was announced: %s", log.String())
			}
		})
	}
}

func TestAVaultThatThisUserMayNotReadSaysWhoRuns(t *testing.T) {
	dir := t.TempDir()
	passable(t, filepath.Dir(dir))
	if err := os.Chmod(dir, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(dir, 0o700) })
	var err error
	testenv.Unprivileged(t, func() { _, err = Open(t.Context(), config.Vault{Disk: &config.Disk{Path: dir}}, Options{}) })
	if hint := hintOf(err); !errors.Is(err, fs.ErrPermission) || !strings.HasPrefix(hint, "this runs as ") {
		t.Errorf("got %v, hint %q", err, hint)
	}
}

func TestAReadOnlyFileSystemHasAHint(t *testing.T) {
	err := closed("/srv/backups", &fs.PathError{Op: "mkdir", Path: "/srv/backups", Err: unix.EROFS})
	if err.Error() != `open vault "/srv/backups": read-only file system` || !strings.Contains(hintOf(err), "ReadWritePaths=/srv/backups") {
		t.Errorf("got %v, hint %q", err, hintOf(err))
	}
}

// A vault that came from another machine may belong to a user that has no name here.
func TestTheHintOfAnotherUsersVaultWorksAsItStands(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chown(dir, 3001, 3002); err != nil {
		t.Fatalf("the tests run as root: %v", err)
	}
	_, err := Open(t.Context(), config.Vault{Disk: &config.Disk{Path: dir}}, Options{})
	hint := hintOf(err)
	as, _, found := strings.Cut(strings.TrimPrefix(hint, "run it as that user: "), " holdfast …; ")
	if !found || !strings.HasSuffix(hint, "chown -R root: "+dir) {
		t.Fatalf("got %v, hint %q", err, hint)
	}
	out, err := exec.Command("sh", "-c", as+" id -u; "+as+" id -G").CombinedOutput()
	if string(out) != "3001\n3002\n" {
		t.Errorf("%s: got %q, %v", as, out, err)
	}
}

func TestWhereNoVaultIsTheHintSaysHowOneBegins(t *testing.T) {
	for _, path := range []string{t.TempDir(), filepath.Join(t.TempDir(), "absent")} {
		_, err := Open(t.Context(), config.Vault{Disk: &config.Disk{Path: path}}, Options{})
		if hint := hintOf(err); !strings.Contains(hint, "is its disk mounted?") || !strings.Contains(hint, "`holdfast copy --create`") {
			t.Errorf("%s: got %v, hint %q", path, err, hint)
		}
	}
}

func TestQuote(t *testing.T) {
	for path, want := range map[string]string{"/srv/backups-1.d": "/srv/backups-1.d", "/srv/a b": "'/srv/a b'", "/srv/it's": `'/srv/it'\''s'`, "/srv/é": "'/srv/é'"} {
		if got := quote(path); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}
