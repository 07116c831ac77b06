package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/holdfast-backup/holdfast"
)

// GlobalsSuffix is what the stream of a PostgreSQL server's roles and
// tablespaces has after the name of its database's stream.
const GlobalsSuffix = "-globals"

// StreamNames returns the names of the streams of each source of a job: the
// given name, or the job's where it has one source only, or the kind; and for
// postgres with globals the stream of those after it.
func StreamNames(job string, sources []SourceConfig) [][]string {
	names := make([][]string, len(sources))
	for i, s := range sources {
		name := s.Name
		if name == "" {
			name = s.Kind()
		}
		if s.Name == "" && len(sources) == 1 {
			name = job
		}
		names[i] = []string{name}
		if s.Postgres != nil && s.Postgres.Globals {
			names[i] = append(names[i], name+GlobalsSuffix)
		}
	}
	return names
}

// Kind returns the key of the source's kind, such as "postgres"; "source" if
// it has none.
func (s SourceConfig) Kind() string {
	if given, _ := kinds(s); len(given) > 0 {
		return given[0]
	}
	return "source"
}

func (s *SourceConfig) check(d *document, path string) {
	switch {
	case s.Postgres != nil:
		s.Postgres.check(d, join(path, "postgres"))
	case s.MySQL != nil:
		s.MySQL.check(d, join(path, "mysql"))
	case s.MariaDB != nil:
		s.MariaDB.check(d, join(path, "mariadb"))
	case s.SQLite != nil:
		if at := join(path, "sqlite", "path"); d.required(at, s.SQLite.Path) {
			d.checkAbsolute(at, s.SQLite.Path)
		}
	case s.Files != nil:
		s.Files.check(d, join(path, "files"))
	case s.Command != nil:
		s.Command.check(d, join(path, "command"))
	}
}

func (p *Postgres) check(d *document, path string) {
	d.checkDatabase(join(path, "url"), p.URL, "postgres", "postgresql")
	d.checkChoice(join(path, "format"), p.Format, "plain", "custom")
	if p.Format == "" {
		p.Format = "plain"
	}
	d.checkArgs(join(path, "args"), p.Args, "")
	d.checkAbsolute(join(path, "bin_dir"), p.BinDir)
}

func (m *MySQL) check(d *document, path string) {
	d.checkDatabase(join(path, "url"), m.URL, "mysql", "mariadb")
	m.DefaultsFile = d.resolve(join(path, "defaults_file"), m.DefaultsFile)
	d.checkArgs(join(path, "args"), m.Args, "-p")
	d.checkAbsolute(join(path, "bin_dir"), m.BinDir)
}

func (f *Files) check(d *document, path string) {
	if len(f.Include) == 0 {
		d.errorf(join(path, "include"), "is missing or empty; want absolute paths")
	}
	for i, include := range f.Include {
		at := fmt.Sprintf("%s[%d]", join(path, "include"), i)
		if d.required(at, include) {
			d.checkAbsolute(at, include)
		}
	}
	for i, pattern := range f.Exclude {
		d.required(fmt.Sprintf("%s[%d]", join(path, "exclude"), i), pattern)
	}
	for i, name := range f.ExcludeIfPresent {
		if name == "" || strings.Contains(name, "/") {
			d.errorf(fmt.Sprintf("%s[%d]", join(path, "exclude_if_present"), i), "%q: want the name of a file", name)
		}
	}
}

func (c *Command) check(d *document, path string) {
	d.checkWords(join(path, "run"), c.Run)
	if c.File != "" {
		if err := holdfast.CheckFile(c.File); err != nil {
			d.errorf(join(path, "file"), "%v", err)
		}
	}
	for name := range c.Env {
		if !isVariable(name) {
			d.errorf(join(path, "env", name), "want the name of an environment variable")
		}
	}
	d.checkAbsolute(join(path, "dir"), c.Dir)
}

// checkDatabase checks where a database is, as far as it is not a secret.
func (d *document) checkDatabase(path string, dsn DSN, schemes ...string) {
	switch {
	case dsn.IsZero():
		d.errorf(path, "is missing; want env:NAME or file:PATH of a URL, or a URL without a password")
	case dsn.plain != "":
		if u, err := url.Parse(dsn.plain); err != nil || !slices.Contains(schemes, u.Scheme) {
			d.errorf(path, "want a %s:// URL", schemes[0])
		}
	}
}

// checkArgs notes arguments that give a password to everyone who can run ps.
// short is the tool's one-letter option for it, if it has one.
func (d *document) checkArgs(path string, args []string, short string) {
	for i, arg := range args {
		if holdsPassword(arg) || short != "" && strings.HasPrefix(arg, short) {
			d.errorf(fmt.Sprintf("%s[%d]", path, i), "a password in an argument can be read by every user; use password or url")
		}
	}
}
