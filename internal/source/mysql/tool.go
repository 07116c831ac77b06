package mysql

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/holdfast-backup/holdfast/internal/proc"
)

// tool is an installed dump tool.
type tool struct {
	path    string
	version string // as manifests have it, "mariadb-dump 10.11.19-MariaDB"
	mariaDB bool   // it comes from MariaDB, whatever its name is
}

func (t tool) name() string { return filepath.Base(t.path) }

var packages = map[string]string{
	MySQL:   "mysql-client (or default-mysql-client)",
	MariaDB: "mariadb-client",
}

// find returns the tool of the source's kind, or else the other one: each dumps
// both servers.
func (s *Source) find(ctx context.Context) (tool, error) {
	names := []string{"mysqldump", "mariadb-dump"}
	if s.options.Kind == MariaDB {
		names = []string{"mariadb-dump", "mysqldump"}
	}
	path, err := proc.Find(s.options.BinDir, packages[s.options.Kind], names...)
	if err != nil {
		return tool{}, err
	}
	out, err := proc.Output(ctx, proc.Command{Path: path, Args: []string{"--version"}, Env: proc.ToolEnv(nil)})
	if err != nil {
		return tool{}, err
	}
	t := tool{path: path, mariaDB: strings.Contains(out, "MariaDB")}
	number := versionIn(out)
	if number == "" {
		return tool{}, fmt.Errorf("%s --version: does not answer like mysqldump", path)
	}
	t.version = t.name() + " " + number
	return t, nil
}

// versionIn returns the version in what a tool says to --version:
//
//	mysqldump  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server - GPL)
//	mysqldump  Ver 10.13 Distrib 5.7.44, for Linux (x86_64)
//	mariadb-dump from 11.4.2-MariaDB, client 10.19 for debian-linux-gnu (x86_64)
func versionIn(text string) string {
	for _, before := range []string{" Distrib ", " from ", " Ver "} {
		if _, rest, ok := strings.Cut(text, before); ok {
			if fields := strings.Fields(rest); len(fields) > 0 {
				return strings.TrimSuffix(fields[0], ",")
			}
		}
	}
	return ""
}
