package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfast-backup/holdfast"
)

// head is a pusher.yaml on lines 1 to 4 that lacks only jobs.
const head = "host: web1\nbroker: https://b.example\nkey: k\nencrypt_to: none\n"

func TestPusherProblems(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string // the whole error, line by line
	}{
		{"an empty file", "# nothing\n", []string{"p.yaml:1: is empty"}},
		{"a second document", head + "---\nhost: web2\n", []string{"p.yaml:6: a second document begins, want only one"}},
		{"no YAML", "host: [web1\nbroker: x", []string{"p.yaml:2: not YAML: ',' or ']' must be specified"}},
		{"a list", "- host\n", []string{
			"p.yaml:1: want keys and values",
			"p.yaml:1: host: is missing",
			"p.yaml:1: broker: is missing, and so is destinations; backups have to go somewhere",
			"p.yaml:1: key: is missing",
			"p.yaml:1: encrypt_to: is missing; want a list of age recipients, { openpgp: key.asc }, or none to store backups unencrypted",
			"p.yaml:1: jobs: is missing or empty",
		}},
		{"a slip in a key names the nearest", strings.Replace(head, "encrypt_to", "encypt_to", 1) + jobs("{files: {include: [/a]}}"), []string{
			"p.yaml:1: encrypt_to: is missing; want a list of age recipients, { openpgp: key.asc }, or none to store backups unencrypted",
			`p.yaml:4: encypt_to: unknown key "encypt_to", did you mean "encrypt_to"?`,
		}},
		{"an unknown kind of source names the kinds", head + jobs("{mongodb: {url: x}}"), []string{
			`p.yaml:8: jobs.crm.sources[0].mongodb: unknown key "mongodb", want name, postgres, mysql, mariadb, sqlite, files or command`,
		}},
		{"a repeated key", head + "host: web2\n" + jobs("{files: {include: [/a]}}"), []string{
			"p.yaml:5: host: given twice, first on line 1",
		}},
		{"a repeated job", head + jobs("{files: {include: [/a]}}") + "  crm: {}\n", []string{
			"p.yaml:9: jobs.crm: given twice, first on line 6",
		}},
		{"two kinds in one source", head + jobs("{files: {include: [/a]}, sqlite: {path: /b}}"), []string{
			"p.yaml:8: jobs.crm.sources[0]: is sqlite and files at once, want one of them",
		}},
		{"no kind in a source", head + jobs("{name: db}"), []string{
			"p.yaml:8: jobs.crm.sources[0]: names no kind of source, want postgres, mysql, mariadb, sqlite, files or command",
		}},
		{"everything at once, each on its line", "host: Web1\nbroker: http://b.example\nkey: ~/k\nencrypt_to: []\ncompress: {method: lz4}\njobs:\n  a b: {keep_local: 1}\n", []string{
			`p.yaml:1: host: host "Web1": must match [a-z0-9][a-z0-9-]{0,62}`,
			"p.yaml:2: broker: plain http is accepted for loopback addresses only; want https://b.example",
			`p.yaml:3: key: "~/k": ~ is not expanded, want an absolute path or one relative to this file`,
			"p.yaml:4: encrypt_to: is empty; want age recipients, or none to store backups unencrypted",
			`p.yaml:5: compress.method: unknown value "lz4", want zstd, gzip or none`,
			`p.yaml:7: jobs."a b": job "a b": must match [a-z0-9][a-z0-9-]{0,62}`,
			`p.yaml:7: jobs."a b".keep_local: needs spool, the directory to keep them in`,
			`p.yaml:7: jobs."a b".sources: is missing or empty; want a list of sources`,
		}},
		{"a password in a URL, which is not quoted", head + jobs("{postgres: {url: 'postgres://u:hunter2@db/crm'}}"), []string{
			"p.yaml:8: jobs.crm.sources[0].postgres.url: holds a password; put the whole URL into the environment or a file, and say env:NAME or file:PATH here",
		}},
		{"a password in a URL's parameters", head + jobs("{postgres: {url: 'postgres://u@db/crm?password=hunter2'}}"), []string{
			"p.yaml:8: jobs.crm.sources[0].postgres.url: holds a password; put the whole URL into the environment or a file, and say env:NAME or file:PATH here",
		}},
		{"a URL that cannot be read is not quoted", head + jobs("{postgres: {url: 'postgres://u:hunter2%zz@db/crm'}}"), []string{
			"p.yaml:8: jobs.crm.sources[0].postgres.url: want env:NAME or file:PATH of a URL, or a URL without a password",
		}},
		{"another database's URL", head + jobs("{postgres: {url: 'mysql://db/crm'}}"), []string{
			"p.yaml:8: jobs.crm.sources[0].postgres.url: want a postgres:// URL",
		}},
		{"a secret itself, which is not quoted", head + jobs("{postgres: {url: env:URL, password: hunter2}}"), []string{
			"p.yaml:8: jobs.crm.sources[0].postgres.password: want env:NAME or file:PATH, where the secret is, not the secret itself",
		}},
		{"a password in an argument", head + jobs("{mysql: {url: env:URL, args: [--quick, -phunter2]}}"), []string{
			"p.yaml:8: jobs.crm.sources[0].mysql.args[1]: a password in an argument can be read by every user; use password or url",
		}},
		{"an unknown format", head + jobs("{postgres: {url: env:URL, format: cstom}}"), []string{
			`p.yaml:8: jobs.crm.sources[0].postgres.format: unknown value "cstom", did you mean "custom"?`,
		}},
		{"relative paths of data", head + jobs("{files: {include: [/a, b]}}\n      - {sqlite: {path: c.db}}\n    spool: d"), []string{
			`p.yaml:8: jobs.crm.sources[0].files.include[1]: "b": want an absolute path`,
			`p.yaml:9: jobs.crm.sources[1].sqlite.path: "c.db": want an absolute path`,
			`p.yaml:10: jobs.crm.spool: "d": want an absolute path`,
		}},
		{"two streams of one name", head + jobs("{sqlite: {path: /a}}\n      - sqlite: {path: /b}"), []string{
			`p.yaml:9: jobs.crm.sources[1].name: stream "sqlite" is that of sources[0] too; give each a name of its own`,
		}},
		{"a stream named as another's globals", head + jobs("{name: db, postgres: {url: env:A, globals: true}}\n      - {name: db-globals, sqlite: {path: /b}}"), []string{
			`p.yaml:9: jobs.crm.sources[1].name: stream "db-globals" is that of sources[0] too; give each a name of its own`,
		}},
		{"a private key as recipient, which is not quoted", strings.Replace(head, "none", "[AGE-SECRET-KEY-1QQ]", 1) + jobs("{files: {include: [/a]}}"), []string{
			"p.yaml:4: encrypt_to: item 1 is a private key; it belongs off this host, here goes the public one (age1…)",
		}},
		{"one recipient without brackets", strings.Replace(head, "none", "age1abc", 1) + jobs("{files: {include: [/a]}}"), []string{
			"p.yaml:4: encrypt_to: want a list of age recipients, [age1…], or { openpgp: key.asc }, { passphrase: file:… }, or none",
		}},
		{"none among recipients", strings.Replace(head, "none", "[age1abc, none]", 1) + jobs("{files: {include: [/a]}}"), []string{
			"p.yaml:4: encrypt_to: none stands alone: encrypt_to: none",
		}},
		{"a level that the method has not", head + "compress: {method: gzip, level: 12}\n" + jobs("{files: {include: [/a]}}"), []string{
			"p.yaml:5: compress.level: 12: want 1 to 9 for gzip",
		}},
		{"values of the wrong type", head + "compress: {level: fast}\n" + jobs("{files: {include: /a, one_file_system: 1}}\n    timeout: soon\n    heartbeat: [a]"), []string{
			"p.yaml:5: compress.level: want a whole number",
			"p.yaml:9: jobs.crm.sources[0].files.include: want a list, such as [a, b]",
			"p.yaml:9: jobs.crm.sources[0].files.one_file_system: want true or false",
			`p.yaml:10: jobs.crm.timeout: length of time "soon": want a whole number and s, m, h, d, w, mo or y, such as 26h or 4mo`,
			"p.yaml:11: jobs.crm.heartbeat: want keys and values",
		}},
		{"no time at all", head + jobs("{files: {include: [/a]}}\n    timeout: 0\n    hooks: {timeout: 0s}"), []string{
			"p.yaml:9: jobs.crm.timeout: want more than 0",
			"p.yaml:10: jobs.crm.hooks.timeout: want more than 0",
		}},
		{"a hook without a program", head + jobs("{files: {include: [/a]}}\n    hooks:\n      pre: [[]]\n      post: [' ']"), []string{
			"p.yaml:10: jobs.crm.hooks.pre[0]: names no program",
			"p.yaml:11: jobs.crm.hooks.post[0]: names no program",
		}},
		{"a heartbeat that is no URL", head + jobs("{files: {include: [/a]}}\n    heartbeat: {start: hc.example.com}"), []string{
			"p.yaml:9: jobs.crm.heartbeat.start: want an https:// or http:// URL",
		}},
		{"a key without a value", strings.Replace(head, "web1", "", 1) + jobs("{files: {include: [/a]}}"), []string{
			"p.yaml:1: host: has no value",
		}},
		{"an anchor", strings.Replace(head, "web1", "&a web1", 1) + jobs("{files: {include: [/a]}}"), []string{
			"p.yaml:1: host: want a single plain value",
		}},
		{"a merge key", head + jobs("{files: {include: [/a]}}\n    <<: {}"), []string{
			"p.yaml:9: jobs.crm: want a plain key, without anchors, tags or <<",
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := ParsePusher("p.yaml", []byte(test.text))
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("got %v, want Problems", err)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("the error shows the password")
			}
			if diff := cmp.Diff(test.want, strings.Split(err.Error(), "\n")); diff != "" {
				t.Errorf("want - got +\n%s", diff)
			}
		})
	}
}

// jobs returns a job crm on lines 5 to 8, counted after head, with the source.
func jobs(source string) string {
	return "jobs:\n  crm:\n    sources:\n      - " + source + "\n"
}

func TestBrokerURL(t *testing.T) {
	for _, test := range []struct {
		name, url string
		ok        bool
	}{
		{"https", "https://b.example/stage", true},
		{"http to localhost", "http://localhost:8420", true},
		{"http to 127.0.0.0/8", "http://127.0.0.9:1", true},
		{"http to ::1", "http://[::1]:1", true},
		{"http to another machine", "http://192.168.1.2", false},
		{"http to a name that looks like loopback", "http://127.0.0.1.evil.example", false},
		{"a login", "https://u:p@b.example", false},
		{"a query", "https://b.example/?a=1", false},
		{"another scheme", "ftp://b.example", false},
		{"a bare name", "b.example", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := strings.Replace(head, "https://b.example", test.url, 1) + jobs("{files: {include: [/a]}}")
			if _, err := ParsePusher("p.yaml", []byte(text)); (err == nil) != test.ok {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestPusherValues(t *testing.T) {
	text := "host: web1\nbroker: https://b.example\nkey: web1.key\nencrypt_to: [age1a, ssh-ed25519 AAA]\n" + `
jobs:
  crm:
    sources:
      - postgres: { url: "env:DATABASE_URL", password: "file:secret/pw", globals: true }
    heartbeat: https://hc.example/1
    hooks: { pre: ["a | b", [c, d e]] }
`
	c, err := ParsePusher("/etc/holdfast/pusher.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	job := c.Jobs["crm"]
	got := map[string]any{
		"key":        c.Key,
		"recipients": c.EncryptTo.Recipients,
		"compress":   c.Compress,
		"url":        job.Sources[0].Postgres.URL.String(),
		"password":   string(job.Sources[0].Postgres.Password),
		"format":     job.Sources[0].Postgres.Format,
		"heartbeat":  job.Heartbeat,
		"pre":        [][]string(job.Hooks.Pre),
		"timeouts":   []holdfast.Span{job.Timeout, job.Hooks.Timeout},
		"streams":    StreamNames("crm", job.Sources),
	}
	want := map[string]any{
		"key":        "/etc/holdfast/web1.key",
		"recipients": []string{"age1a", "ssh-ed25519 AAA"},
		"compress":   Compress{"zstd", 3},
		"url":        "env:DATABASE_URL",
		"password":   "file:/etc/holdfast/secret/pw",
		"format":     "plain",
		"heartbeat":  Heartbeat{Success: "https://hc.example/1"},
		"pre":        [][]string{{"/bin/sh", "-c", "a | b"}, {"c", "d e"}},
		"timeouts":   []holdfast.Span{{N: 24, Unit: holdfast.Hour}, {N: 10, Unit: holdfast.Minute}},
		"streams":    [][]string{{"crm", "crm-globals"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want - got +\n%s", diff)
	}
}

func TestDSNResolve(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "url"), []byte("postgres://u:pw@db/crm\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "pusher.yaml")
	text := head + jobs("{name: a, postgres: {url: 'file:url'}}\n      - {name: b, postgres: {url: 'postgres://u@db/crm'}}")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := LoadPusher(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"postgres://u:pw@db/crm", "postgres://u@db/crm"} {
		got, err := c.Jobs["crm"].Sources[i].Postgres.URL.Resolve()
		if err != nil || got.Reveal() != want {
			t.Errorf("source %d: got %q, %v, want %q", i, got.Reveal(), err, want)
		}
	}
	if _, err := (DSN{}).Resolve(); err == nil {
		t.Error("nothing given: got no error")
	}
}

func TestLoadOfAMissingFileSaysSo(t *testing.T) {
	for _, load := range []func(string) error{
		func(p string) error { _, err := LoadPusher(p); return err },
		func(p string) error { _, err := LoadHoldfast(p); return err },
	} {
		if err := load(filepath.Join(t.TempDir(), "none.yaml")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("got %v, want os.ErrNotExist", err)
		}
	}
}

func FuzzParsePusher(f *testing.F) {
	f.Add([]byte(PusherExample))
	f.Add([]byte(uncomment(PusherExample)))
	f.Add([]byte(StarterPusher(Starter{Host: "web1", Broker: "https://b.example", Local: "/srv/b", Key: "k"})))
	for _, text := range hostile {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParsePusher("p.yaml", data)
		if err != nil {
			checkProblems(t, err)
			return
		}
		if holdfast.CheckName("host", c.Host) != nil || c.EncryptTo.None == (len(c.EncryptTo.Recipients) > 0) {
			t.Errorf("accepted %+v", c)
		}
		for job, j := range c.Jobs {
			seen := map[string]bool{}
			for _, names := range StreamNames(job, j.Sources) {
				for _, name := range names {
					if seen[name] || holdfast.CheckName("stream", name) != nil {
						t.Errorf("accepted stream %q", name)
					}
					seen[name] = true
				}
			}
		}
	})
}

// hostile are files that parsers trip over.
var hostile = []string{
	"", "---", "a", "- a", "{", "? a\n: b", "&a [*a]", "a: &a {<<: *a}", "a: !!binary x", "\xff", "\x00", "%YAML 1.1\n---\n",
	"jobs: {a: {sources: [{}]}}", "jobs: {a: null, a: 1}", "encrypt_to: none\nencrypt_to: [none]", "compress: {level: 99999999999999999999}",
	"jobs: {'a.b': {sources: [null]}}", "'': 1", "jobs: {a: {hooks: {pre: [[[[]]]]}}}", "host: |\n  a\n", "? [a]\n: b", "a: 'x",
}

// checkProblems fails unless err is a list of Problems with lines and texts.
func checkProblems(t *testing.T, err error) {
	t.Helper()
	var problems Problems
	if !errors.As(err, &problems) || len(problems) == 0 {
		t.Fatalf("got %v, want Problems", err)
	}
	for i, p := range problems {
		if p.Line < 1 || p.Text == "" || i > 0 && p.Line < problems[i-1].Line {
			t.Errorf("problem %d: %+v", i, p)
		}
	}
}
