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
// ./name, the user's and the machine's own that is there.
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
	candidates = append(candidates, filepath.Join(SystemConfigDir, name))
	for _, path := range candidates {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return path, nil
		}
	}
	return "", Usage(fmt.Errorf("find %s: it is in none of %v", name, candidates))
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
