package open_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/source/open"
)

// sources returns the sources of the job crm, written in YAML.
func sources(t *testing.T, dir, text string) []config.SourceConfig {
	t.Helper()
	yaml := "host: web1\nbroker: https://b.example\nkey: k\nencrypt_to: none\njobs:\n  crm:\n    sources:\n" + text
	c, err := config.ParsePusher(filepath.Join(dir, "pusher.yaml"), []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	return c.Jobs["crm"].Sources
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestOpen(t *testing.T) {
	t.Setenv("HOLDFAST_TEST_URL", "postgres://u:pw%21@db/crm")
	dir := t.TempDir()
	write(t, dir, "pw", "hunter2\n")
	const all = `
      - postgres: { url: env:HOLDFAST_TEST_URL, globals: true }
      - mysql: { url: 'mysql://u@db/crm', password: file:pw }
      - mariadb: { url: 'mysql://u@db/crm' }
      - sqlite: { path: /srv/a.db }
      - files: { include: [/srv], exclude: ["*.tmp"] }
      - command: { run: [slapcat], env: { PW: file:pw } }
`
	tests := []struct {
		name, text string
		only       func(string) bool
		want       []string // name, file, secrets
	}{
		{"one source has the job's name", "      - postgres: { url: env:HOLDFAST_TEST_URL }\n", nil, []string{
			"crm crm.sql postgres://u:pw%21@db/crm pw!",
		}},
		{"one source with globals has two streams", "      - postgres: { url: env:HOLDFAST_TEST_URL, format: custom, globals: true }\n", nil, []string{
			"crm crm.dump postgres://u:pw%21@db/crm pw!", "crm-globals crm-globals.sql postgres://u:pw%21@db/crm pw!",
		}},
		{"a given name counts", "      - { name: db, sqlite: { path: /srv/a.db } }\n", nil, []string{"db db.sqlite"}},
		{"several have their kinds' names", all, nil, []string{
			"postgres postgres.sql postgres://u:pw%21@db/crm pw!",
			"postgres-globals postgres-globals.sql postgres://u:pw%21@db/crm pw!",
			"mysql mysql.sql mysql://u@db/crm hunter2",
			"mariadb mariadb.sql mysql://u@db/crm",
			"sqlite sqlite.sqlite",
			"files files.tar",
			"command command.out hunter2",
		}},
		{"a selection keeps the names of the whole", all, func(kind string) bool { return kind == "files" }, []string{"files files.tar"}},
		{"what is left out needs no secret", "      - mysql: { url: env:HOLDFAST_TEST_UNSET }\n      - sqlite: { path: /srv/a.db }\n",
			func(kind string) bool { return kind == "sqlite" }, []string{"sqlite sqlite.sqlite"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			opened, err := open.Open("crm", sources(t, dir, test.text), test.only)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, n := range opened {
				line := []string{n.Name, n.Source.File()}
				for _, s := range n.Secrets {
					line = append(line, s.Reveal())
				}
				got = append(got, strings.Join(line, " "))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("want - got +\n%s", diff)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "url", "postgres://u:hunter2@db/crm")
	if err := os.Chmod(filepath.Join(dir, "url"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, text, want string }{
		{"a secret that is not there", "      - mysql: { url: env:HOLDFAST_TEST_UNSET }\n", `source "crm": url: secret env:HOLDFAST_TEST_UNSET: is empty`},
		{"a secret that others can read", "      - postgres: { url: file:url }\n", "lets others in"},
		{"two streams with one file", "      - sqlite: { path: /a }\n      - command: { run: [a], file: sqlite.sqlite }\n", `source "command": its file "sqlite.sqlite" is that of "sqlite" too`},
	} {
		t.Run(test.name, func(t *testing.T) {
			opened, err := open.Open("crm", sources(t, dir, test.text), nil)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v, %v, want %q", opened, err, test.want)
			}
		})
	}
	if _, err := open.Open("crm", []config.SourceConfig{{}}, nil); err == nil {
		t.Error("a source of no kind: got no error")
	}
	if got, err := open.Open("crm", nil, nil); err != nil || len(got) > 0 {
		t.Errorf("no sources: got %v, %v", got, err)
	}
}
