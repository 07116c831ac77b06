package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/holdfast-backup/holdfast/internal/secret"
)

// Variables returns the names of the environment variables that the jobs take
// secrets from, in order: what a scheduler has to provide.
func (c *Pusher) Variables() []string {
	names := map[string]bool{}
	note := func(reference string) {
		if name, ok := strings.CutPrefix(reference, "env:"); ok {
			names[name] = true
		}
	}
	database := func(dsn DSN, password secret.Ref) {
		note(string(dsn.ref))
		note(string(password))
	}
	for _, job := range c.Jobs {
		for _, s := range job.Sources {
			switch {
			case s.Postgres != nil:
				database(s.Postgres.URL, s.Postgres.Password)
			case s.MySQL != nil:
				database(s.MySQL.URL, s.MySQL.Password)
			case s.MariaDB != nil:
				database(s.MariaDB.URL, s.MariaDB.Password)
			case s.Command != nil:
				for _, reference := range s.Command.Env {
					note(string(reference))
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}
