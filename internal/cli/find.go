package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// FindConfig returns the path of a configuration file: the one given on the
// command line, else the one the environment variable names, else the first of
// ./name, the user's and the machine's own that is there. The first two do not count
// where their directory lets this user see nothing: whoever starts a program as
// another user leaves it in a directory, and with a home, that may be closed to it.
func FindConfig(given, variable, name string) (string, error) {
	if given != "" {
		return given, nil
	}
	if path := os.Getenv(variable); path != "" {
		return path, nil
	}
	candidates := []string{name}
	if dir, err := os.UserConfigDir(); err == nil {
		candidates = append(candidates, filepath.Join(dir, "holdfast", name))
	}
	var closed []error
	for _, path := range candidates {
		_, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrPermission):
			closed = append(closed, err)
		case !errors.Is(err, fs.ErrNotExist):
			return path, nil
		}
	}
	system := filepath.Join(SystemConfigDir, name)
	if _, err := os.Stat(system); !errors.Is(err, fs.ErrNotExist) {
		return system, nil
	}
	err := fmt.Errorf("find %s: it is in none of %v", name, append(candidates, system))
	for _, c := range closed {
		err = fmt.Errorf("%w; %w", err, c)
	}
	return "", Usage(err)
}

// SystemConfigDir is where the machine's own configuration is.
const SystemConfigDir = "/etc/holdfast"

// ConfigDir returns where a new configuration goes: SystemConfigDir for root,
// else the user's own directory.
func ConfigDir() (string, error) {
	if os.Geteuid() == 0 {
		return SystemConfigDir, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("find the configuration directory: %w", err)
	}
	return filepath.Join(dir, "holdfast"), nil
}
