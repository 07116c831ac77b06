package cli_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast/internal/cli"
	"github.com/holdfast-backup/holdfast/internal/testenv"
	"github.com/holdfast-backup/holdfast/internal/token"
)

func TestANewFileIsPrivateFromItsFirstMoment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b", "file")
	if err := cli.NewFile(path, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s: mode: got %o, want %o", name, got, want)
		}
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "text" {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestANewFileNeverTakesThePlaceOfAnother(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	file, link, dangling := filepath.Join(dir, "file"), filepath.Join(dir, "link"), filepath.Join(dir, "dangling")
	for _, err := range []error{
		os.WriteFile(file, []byte("old"), 0o644), os.Symlink(file, link), os.Symlink(target, dangling),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{file, link, dangling, dir} {
		if err := cli.NewFile(path, []byte("new"), 0o600); err == nil {
			t.Errorf("%s was written", path)
		} else if !strings.Contains(err.Error(), path) {
			t.Errorf("%s: the error does not name it: %v", path, err)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "old" {
		t.Errorf("got %q, %v; want it as it was", text, err)
	}
	if _, err := os.Lstat(target); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the target of a dangling link was written: %v", err)
	}
}

func TestANewKeyIsReadBackAndFitsItsPublicKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web1.key")
	public, err := cli.NewKey(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := token.LoadPrivateKey(path); err != nil {
		t.Error(err)
	}
	if !strings.HasPrefix(public, "ed25519:") {
		t.Errorf("public key: got %q", public)
	}
	if _, err := cli.NewKey(path); err == nil {
		t.Error("a key was made over another one")
	}
}

func TestTheFirstConfigurationFileThatIsThereCounts(t *testing.T) {
	const name, variable = "unlikely-name.yaml", "UNLIKELY_VARIABLE"
	user := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", user)
	t.Setenv(variable, "")
	t.Chdir(t.TempDir())
	find := func(given, want string) {
		t.Helper()
		if got, err := cli.FindConfig(given, variable, name); err != nil || got != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}

	_, err := cli.FindConfig("", variable, name)
	if err == nil || !strings.Contains(err.Error(), filepath.Join(user, "holdfast", name)) || !strings.Contains(err.Error(), filepath.Join(cli.SystemConfigDir, name)) {
		t.Errorf("where there is none: got %v, want an error with the places", err)
	}
	own := filepath.Join(user, "holdfast", name)
	if err := cli.NewFile(own, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	find("", own)
	// Here, even if it cannot be used: another one taken in silence would be worse.
	if err := os.Mkdir(name, 0o700); err != nil {
		t.Fatal(err)
	}
	find("", name)
	t.Setenv(variable, "/from/variable")
	find("", "/from/variable")
	find("/from/flag", "/from/flag")
}

func TestADirectoryThatLetsNobodyInHasNoConfiguration(t *testing.T) {
	const variable, name = "CLI_TEST_CONFIG", "test.yaml"
	t.Setenv(variable, "")
	base := t.TempDir()
	here, user := filepath.Join(base, "here"), filepath.Join(base, "user")
	own := filepath.Join(user, "holdfast", name)
	for _, path := range []string{filepath.Join(here, name), own} {
		if err := cli.NewFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(here)
	t.Setenv("XDG_CONFIG_HOME", user)
	mode := func(dir string, mode fs.FileMode) {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Chmod(dir, 0o700) })
	}
	// The directories above it, which t.TempDir makes for the test's user alone.
	for dir := base; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		mode(dir, 0o755)
	}
	find := func() (path string, err error) {
		testenv.Unprivileged(t, func() { path, err = cli.FindConfig("", variable, name) })
		return path, err
	}
	mode(user, 0o755)
	mode(filepath.Join(user, "holdfast"), 0o755)
	mode(here, 0o000)
	if got, err := find(); err != nil || got != own {
		t.Errorf("here is closed: got %q, %v; want %q", got, err, own)
	}
	mode(filepath.Join(user, "holdfast"), 0o000)
	if _, err := find(); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "it is in none of") {
		t.Errorf("both are closed: got %v, want that there is none, and which could not be looked at", err)
	}
	mode(here, 0o755)
	if got, err := find(); err != nil || got != name {
		t.Errorf("here is open, with a file that is not: got %q, %v; want %q", got, err, name)
	}
}
