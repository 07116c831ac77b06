package proc

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// ToolEnv returns the part of this process's environment that a dump tool
// needs to find its way, plus the variables for which also returns true. The
// rest stays here: it may hold DATABASE_URL.
func ToolEnv(also func(name string) bool) []string {
	known := []string{"PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LD_LIBRARY_PATH",
		"SSL_CERT_FILE", "SSL_CERT_DIR", "OPENSSL_CONF", "XDG_RUNTIME_DIR"}
	var env []string
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if slices.Contains(known, name) || strings.HasPrefix(name, "LC_") || also != nil && also(name) {
			env = append(env, v)
		}
	}
	return env
}

// Find returns the path of the first of names that is a program: in dir, or in
// PATH if dir is empty. The error names the package to install.
func Find(dir, install string, names ...string) (string, error) {
	for _, name := range names {
		if dir != "" {
			name = filepath.Join(dir, name)
		}
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	where := "PATH"
	if dir != "" {
		where = fmt.Sprintf("%q", dir)
	}
	return "", fmt.Errorf("find %s: not in %s, install %s", strings.Join(names, " or "), where, install)
}

// FirstFile is the path under which a program finds the first of Command.Files.
const FirstFile = "/proc/self/fd/3"

// MemFile returns a file that holds content in memory, has no name and mode
// 0600: a way to hand a secret to a program that leaves nothing in argv, in the
// environment or on disk. The caller closes it.
func MemFile(content string) (*os.File, error) {
	fd, err := unix.MemfdCreate("holdfast", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make memory file: %w", err)
	}
	f := os.NewFile(uintptr(fd), "memory file")
	// libpq ignores a password file that others could read.
	if err := f.Chmod(0o600); err != nil {
		f.Close()
		return nil, fmt.Errorf("make memory file: %w", err)
	}
	if _, err := f.WriteString(content); err != nil {
		f.Close()
		return nil, fmt.Errorf("make memory file: %w", err)
	}
	return f, nil
}

// widen makes the pipe hold what one read takes, where the system allows it.
func widen(pipe any) {
	if f, ok := pipe.(*os.File); ok {
		if c, err := f.SyscallConn(); err == nil {
			c.Control(func(fd uintptr) { unix.FcntlInt(fd, unix.F_SETPIPE_SZ, bufferSize) })
		}
	}
}
