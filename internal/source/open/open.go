// Package open makes sources of their configuration: it resolves the secrets,
// names the streams, and is the one place that imports every kind. It connects
// to nothing and reads nothing of what is to be backed up.
package open

import (
	"fmt"
	"maps"
	"net/url"
	"slices"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/source/command"
	"github.com/holdfast-backup/holdfast/internal/source/files"
	"github.com/holdfast-backup/holdfast/internal/source/mysql"
	"github.com/holdfast-backup/holdfast/internal/source/postgres"
	"github.com/holdfast-backup/holdfast/internal/source/sqlite"
)

// Named is a source and the name of its stream.
type Named struct {
	Name   string
	Source holdfast.Source
	// Secrets are those it was given, to be taken out of every text about it:
	// URLs, the passwords in them, values of variables.
	Secrets []secret.Secret
}

// Open returns the sources of a job in order; one of PostgreSQL with globals is
// followed by that of its globals. Where only is not nil, those of a kind for
// which it returns false are left out, and their secrets untouched; the names
// of the others are the same as in the whole. Two streams with the same file
// name are an error.
func Open(job string, sources []config.SourceConfig, only func(kind string) bool) ([]Named, error) {
	var opened []Named
	for i, names := range config.StreamNames(job, sources) {
		if only != nil && !only(sources[i].Kind()) {
			continue
		}
		var o opener
		of, err := o.open(sources[i], names)
		if err != nil {
			return nil, fmt.Errorf("source %q: %w", names[0], err)
		}
		for j, source := range of {
			opened = append(opened, Named{names[j], source, o.secrets})
		}
	}
	first := map[string]string{} // stream by file name
	for _, n := range opened {
		if before, twice := first[n.Source.File()]; twice {
			return nil, fmt.Errorf("source %q: its file %q is that of %q too", n.Name, n.Source.File(), before)
		}
		first[n.Source.File()] = n.Name
	}
	return opened, nil
}

// opener opens one entry of the configuration.
type opener struct{ secrets []secret.Secret }

// open returns one source for each of the names.
func (o *opener) open(c config.SourceConfig, names []string) ([]holdfast.Source, error) {
	switch {
	case c.Postgres != nil:
		return o.postgres(c.Postgres, names)
	case c.MySQL != nil:
		return o.mysql(c.MySQL, mysql.MySQL, names[0])
	case c.MariaDB != nil:
		return o.mysql(c.MariaDB, mysql.MariaDB, names[0])
	case c.SQLite != nil:
		return one(sqlite.New(sqlite.Options{Name: names[0], Path: c.SQLite.Path}))
	case c.Files != nil:
		return one(files.New(files.Options{
			Name: names[0], Include: c.Files.Include, Exclude: c.Files.Exclude,
			ExcludeIfPresent: c.Files.ExcludeIfPresent,
			OneFileSystem:    c.Files.OneFileSystem, SkipUnreadable: c.Files.SkipUnreadable,
			AllowEmpty: c.Files.AllowEmpty,
		}))
	case c.Command != nil:
		return o.command(c.Command, names[0])
	}
	return nil, fmt.Errorf("names no kind, want postgres, mysql, mariadb, sqlite, files or command")
}

func (o *opener) postgres(c *config.Postgres, names []string) ([]holdfast.Source, error) {
	address, password, err := o.login(c.URL, c.Password)
	if err != nil {
		return nil, err
	}
	options := postgres.Options{
		Name: names[0], URL: address, Password: password, Format: c.Format,
		ExcludeTableData: c.ExcludeTableData, Args: c.Args, BinDir: c.BinDir,
	}
	sources, err := one(postgres.New(options))
	if err != nil || !c.Globals {
		return sources, err
	}
	options = postgres.Options{Name: names[1], URL: address, Password: password, BinDir: c.BinDir}
	globals, err := one(postgres.NewGlobals(options))
	return append(sources, globals...), err
}

func (o *opener) mysql(c *config.MySQL, kind, name string) ([]holdfast.Source, error) {
	address, password, err := o.login(c.URL, c.Password)
	if err != nil {
		return nil, err
	}
	return one(mysql.New(mysql.Options{
		Name: name, Kind: kind, URL: address, Password: password, DefaultsFile: c.DefaultsFile,
		ExcludeTableData: c.ExcludeTableData, Args: c.Args, BinDir: c.BinDir,
	}))
}

func (o *opener) command(c *config.Command, name string) ([]holdfast.Source, error) {
	options := command.Options{Run: c.Run, File: c.File, Trailer: c.Trailer, Dir: c.Dir, Env: map[string]secret.Secret{}}
	if options.File == "" {
		options.File = name + ".out"
	}
	for _, variable := range slices.Sorted(maps.Keys(c.Env)) {
		value, err := c.Env[variable].Resolve()
		if err != nil {
			return nil, fmt.Errorf("env %s: %w", variable, err)
		}
		options.Env[variable] = value
		o.secrets = append(o.secrets, value)
	}
	return one(command.New(options))
}

// login resolves where a database is and its password, if it has one apart.
func (o *opener) login(dsn config.DSN, ref secret.Ref) (address, password secret.Secret, err error) {
	if address, err = dsn.Resolve(); err != nil {
		return address, password, fmt.Errorf("url: %w", err)
	}
	o.secrets = append(o.secrets, address)
	if u, err := url.Parse(address.Reveal()); err == nil {
		if within, ok := u.User.Password(); ok && within != "" {
			o.secrets = append(o.secrets, secret.New(within))
		}
	}
	if ref != "" {
		if password, err = ref.Resolve(); err != nil {
			return address, password, fmt.Errorf("password: %w", err)
		}
		o.secrets = append(o.secrets, password)
	}
	return address, password, nil
}

// one returns what a constructor returned as a list, without turning a nil
// pointer into a source that is not nil.
func one[S holdfast.Source](s S, err error) ([]holdfast.Source, error) {
	if err != nil {
		return nil, err
	}
	return []holdfast.Source{s}, nil
}
