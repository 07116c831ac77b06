package mysql_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/proc"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/source/mysql"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// awkward fills a database with what dumps get wrong.
const awkward = `
CREATE TABLE parent (id int AUTO_INCREMENT PRIMARY KEY, name varchar(200) NOT NULL, raw longblob, price decimal(20,8),
  made datetime(6), mood enum('sad','it''s'), doc json, big longtext) ENGINE=InnoDB;
CREATE TABLE ` + "`odd ``table`" + ` (id int PRIMARY KEY, parent int NOT NULL, FOREIGN KEY (parent) REFERENCES parent (id)) ENGINE=InnoDB;
CREATE TABLE log (what text) ENGINE=InnoDB;
CREATE TABLE loose (n int) ENGINE=MyISAM;
CREATE TABLE sessions (token text) ENGINE=InnoDB;
INSERT INTO sessions VALUES ('a session');
DELIMITER //
CREATE TRIGGER logged AFTER INSERT ON parent FOR EACH ROW BEGIN INSERT INTO log VALUES (concat('new ', NEW.name)); END//
CREATE TRIGGER session_logged AFTER INSERT ON sessions FOR EACH ROW INSERT INTO log VALUES (NEW.token)//
CREATE PROCEDURE twice(IN n int, OUT m int) BEGIN SET m = n * 2; END//
CREATE FUNCTION greet(who varchar(20)) RETURNS varchar(40) DETERMINISTIC RETURN concat('hello ', who)//
CREATE EVENT tidy ON SCHEDULE EVERY 1 DAY DO DELETE FROM log//
DELIMITER ;
INSERT INTO parent (name, raw, price, made, mood, doc) VALUES
  ('tab\there\nnew line \\ '' "', x'00ff5c270a', 123456789.12345678, '2024-02-29 23:59:59.123456', 'it''s', '{"a": "b\\"c"}'),
  ('ünïcödé 漢字 🎈', x'', NULL, NULL, NULL, NULL),
  ('-- Dump completed', repeat(x'00', 300000), 0, NULL, 'sad', NULL);
INSERT INTO parent (name, big) VALUES ('large', repeat('0123456789', 300000));
INSERT INTO ` + "`odd ``table`" + ` SELECT id, id FROM parent;
INSERT INTO loose VALUES (1);
CREATE VIEW happy AS SELECT p.id, (SELECT count(*) FROM sessions) AS n FROM parent p WHERE mood = 'it''s';
`

// rows reads back everything that awkward made.
const rows = `
SELECT id, name, hex(raw), price, made, mood, doc, md5(big) FROM parent ORDER BY id;
SELECT * FROM ` + "`odd ``table`" + ` ORDER BY id;
SELECT * FROM log ORDER BY what;
SELECT * FROM loose;
SELECT id FROM happy;
CALL twice(21, @m); SELECT @m, greet('you');
SELECT trigger_name, event_object_table, action_statement FROM information_schema.triggers WHERE trigger_schema = database() ORDER BY 1;
SELECT event_name, event_definition, interval_value FROM information_schema.events WHERE event_schema = database();
SELECT table_name, engine, table_collation FROM information_schema.tables WHERE table_schema = database() AND table_type = 'BASE TABLE' ORDER BY 1;
SELECT constraint_name, referenced_table_name FROM information_schema.referential_constraints WHERE constraint_schema = database();
SELECT auto_increment FROM information_schema.tables WHERE table_schema = database() AND table_name = 'parent';
`

func dump(t testing.TB, options mysql.Options) ([]byte, holdfast.Facts, error) {
	t.Helper()
	options.Name = "shop"
	if options.Kind == "" {
		options.Kind = mysql.MariaDB
	}
	s, err := mysql.New(options)
	must(t, err)
	var out bytes.Buffer
	facts, err := s.Dump(t.Context(), &out)
	return out.Bytes(), facts, err
}

func TestADumpRestoresRowByRow(t *testing.T) {
	server := testenv.MariaDB(t)
	source := server.Database(t)
	testenv.Mysql(t, source, awkward)
	want := testenv.Mysql(t, source, rows)
	for name, c := range map[string]struct {
		options  mysql.Options
		sessions string
	}{
		"as a user who may do anything":            {mysql.Options{URL: secret.New(server.URL(server.User, source))}, "1\n"},
		"as a user without PROCESS":                {mysql.Options{URL: secret.New(server.URL(server.Limited, source))}, "1\n"},
		"with mysqldump first":                     {mysql.Options{Kind: mysql.MySQL, URL: secret.New(server.URL(server.Limited, source))}, "1\n"},
		"over the socket":                          {mysql.Options{URL: secret.New("mysql://" + server.Limited + "@/" + source + "?socket=" + server.Socket), Password: secret.New(server.Password)}, "1\n"},
		"without the rows of a table a view names": {mysql.Options{URL: secret.New(server.URL(server.Limited, source)), ExcludeTableData: []string{source + ".sessions"}}, "0\n"},
	} {
		t.Run(name, func(t *testing.T) {
			out, facts, err := dump(t, c.options)
			must(t, err)
			target := server.Database(t)
			testenv.MysqlFrom(t, target, bytes.NewReader(out))
			if got := testenv.Mysql(t, target, rows); got != want {
				t.Errorf("got\n%.3000s\nwant\n%.3000s", got, want)
			}
			if got := testenv.Mysql(t, target, "SELECT count(*) FROM sessions"); got != c.sessions {
				t.Errorf("rows of the table that may be left out: got %swant %s", got, c.sessions)
			}
			if facts.Stats["tables"] != 5 || !strings.HasPrefix(facts.Engine, "MariaDB 1") || !strings.Contains(facts.Tool, "dump 1") {
				t.Errorf("facts: %+v", facts)
			}
			if len(facts.Warnings) != 1 || !strings.Contains(facts.Warnings[0], `"loose" is MyISAM`) {
				t.Errorf("warnings: %q", facts.Warnings)
			}
		})
	}
}

func TestAnOptionFileOfTheUsersOwn(t *testing.T) {
	server := testenv.MariaDB(t)
	db := server.Database(t)
	testenv.Mysql(t, db, "CREATE TABLE a (n int)")
	file := filepath.Join(t.TempDir(), "my.cnf")
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(server.Password)
	must(t, os.WriteFile(file, []byte("[client]\nuser="+server.Limited+"\npassword=\""+quoted+"\"\nsocket="+server.Socket+"\n"), 0o600))
	_, _, err := dump(t, mysql.Options{URL: secret.New("mysql:///" + db), DefaultsFile: file})
	must(t, err)
	if _, _, err = dump(t, mysql.Options{URL: secret.New("mysql:///" + db), DefaultsFile: file + "x"}); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v, want the missing file in it", err)
	}
}

func TestAnOptionFileInTheHomeDirectoryDoesNotWin(t *testing.T) {
	server := testenv.MariaDB(t)
	db := server.Database(t)
	testenv.Mysql(t, db, "CREATE TABLE a (n int)")
	home := t.TempDir()
	must(t, os.WriteFile(home+"/.my.cnf", []byte("[client]\nuser=nobody\npassword=wrong\nhost=192.0.2.1\n"), 0o600))
	t.Setenv("HOME", home)
	_, _, err := dump(t, mysql.Options{URL: secret.New(server.URL(server.Limited, db))})
	must(t, err)
}

func TestExamine(t *testing.T) {
	server := testenv.MariaDB(t)
	db := server.Database(t)
	testenv.Mysql(t, db, "CREATE TABLE a (n int)")
	url := server.URL(server.Limited, db)
	for name, c := range map[string]struct {
		options mysql.Options
		ok      bool
		hint    string
	}{
		"all is well":      {mysql.Options{URL: secret.New(url), ExcludeTableData: []string{"a"}}, true, ""},
		"a wrong password": {mysql.Options{URL: secret.New(strings.Replace(url, ":p", ":q", 1))}, false, "user and password"},
		"no such database": {mysql.Options{URL: secret.New(url + "x")}, false, "database"},
		"no such table":    {mysql.Options{URL: secret.New(url), ExcludeTableData: []string{"b"}}, false, "exclude_table_data"},
		"no tool":          {mysql.Options{URL: secret.New(url), BinDir: t.TempDir()}, false, "install mariadb-client"},
	} {
		t.Run(name, func(t *testing.T) {
			c.options.Kind = mysql.MariaDB
			s, err := mysql.New(c.options)
			must(t, err)
			found := s.Examine(t.Context())
			last := found[len(found)-1]
			if last.OK != c.ok || !strings.Contains(last.Hint, c.hint) || strings.Contains(last.Detail, server.Password) {
				t.Errorf("got %+v", found)
			}
		})
	}
}

func fakeTool(t *testing.T, name, script string) string {
	t.Helper()
	dir := t.TempDir()
	script = "#!/bin/sh\n[ \"$1\" = --version ] && echo '" + name + "  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server - GPL)' && exit\n" + script
	must(t, os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755))
	return dir
}

func TestADumpThatIsNotWholeIsAnError(t *testing.T) {
	const head = "echo '-- MySQL dump'; printf -- '-- Server version\t8.0.36\n'; echo 'INSERT 1;'\n"
	for name, c := range map[string]struct{ script, want string }{
		"exit status 2 halfway":       {head + "echo 'lost connection' >&2; exit 2", "mysqldump: exit status 2: lost connection"},
		"exit status 2 after the end": {head + "echo '-- Dump completed'; exit 2", "exit status 2"},
		"killed":                      {head + "kill -9 $$", "signal: killed"},
		"empty":                       {"exit 0", "it is empty"},
		"no trailer":                  {head, "does not end with"},
		"a trailer without its end":   {head + "printf -- '-- Dump completed'", "does not end with"},
		"a trailer inside a line":     {head + "echo 'x-- Dump completed'", "does not end with"},
		"something after the trailer": {head + "echo '-- Dump completed'; echo x", "does not end with"},
		"a password on stderr":        {"echo 'bad correct-horse, --password=horse2' >&2; exit 1", "bad [hidden], --password=[hidden]"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := dump(t, mysql.Options{Kind: mysql.MySQL, URL: secret.New("mysql://a:correct-horse@h/db"), BinDir: fakeTool(t, "mysqldump", c.script)})
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "horse") {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
	for _, trailer := range []string{"-- Dump completed", "-- Dump completed on 2025-10-28 14:00:00", "-- Dump completed on 2025-10-28  4:00:00"} {
		_, facts, err := dump(t, mysql.Options{Kind: mysql.MySQL, URL: secret.New("mysql://h/db"), BinDir: fakeTool(t, "mysqldump", head+"echo '"+trailer+"'")})
		if err != nil || facts.Engine != "MySQL 8.0.36" || facts.Tool != "mysqldump 8.0.36" {
			t.Errorf("%q: got %v, %+v", trailer, err, facts)
		}
	}
}

func TestTheToolsArgumentsAndEnvironmentHoldNoPassword(t *testing.T) {
	const password = `correct"horse\#`
	t.Setenv("DATABASE_URL", "mysql://a:"+password+"@h/db")
	dir := fakeTool(t, "mysqldump", `tr '\0' '\n' </proc/$$/cmdline; tr '\0' '\n' </proc/$$/environ
cat "${1#--defaults-extra-file=}" >"$(dirname "$0")/options"`)
	out, _, err := dump(t, mysql.Options{Kind: mysql.MySQL, URL: secret.New("mysql://a@h:3307/db"), Password: secret.New(password), BinDir: dir})
	var exit *proc.ExitError
	if err == nil || errors.As(err, &exit) || !bytes.Contains(out, []byte("--single-transaction")) || !bytes.Contains(out, []byte("PATH=")) {
		t.Fatalf("got %v, %s", err, out)
	}
	if bytes.Contains(out, []byte("horse")) {
		t.Errorf("the password shows:\n%s", out)
	}
	if !bytes.Contains(out, []byte("--loose-set-gtid-purged=OFF\n--loose-column-statistics=0\n")) {
		t.Errorf("MySQL's own switches are missing:\n%s", out)
	}
	want := "[client]\nuser=\"a\"\nhost=\"h\"\nport=\"3307\"\nprotocol=\"tcp\"\npassword=\"correct\\\"horse\\\\#\"\n"
	if got, _ := os.ReadFile(dir + "/options"); string(got) != want {
		t.Errorf("got option file\n%swant\n%s", got, want)
	}
}

func TestOptionsThatCannotBeUsed(t *testing.T) {
	for name, o := range map[string]mysql.Options{
		"another kind":               {Kind: "oracle", URL: secret.New("mysql://bob:horse@h/db")},
		"another scheme":             {Kind: mysql.MySQL, URL: secret.New("postgres://bob:horse@h/db")},
		"no database":                {Kind: mysql.MySQL, URL: secret.New("mysql://bob:horse@h/")},
		"a slash in the password":    {Kind: mysql.MySQL, URL: secret.New("mysql://bob:horse/battery@h/db")},
		"a hash in the password":     {Kind: mysql.MySQL, URL: secret.New("mysql://bob:horse#battery@h/db")},
		"a percent sign in it":       {Kind: mysql.MySQL, URL: secret.New("mysql://bob:horse%zz@h/db")},
		"two passwords":              {Kind: mysql.MySQL, URL: secret.New("mysql://bob:horse@h/db"), Password: secret.New("horse")},
		"a password and a file":      {Kind: mysql.MySQL, URL: secret.New("mysql://bob:horse@h/db"), DefaultsFile: "/my.cnf"},
		"an unknown parameter":       {Kind: mysql.MySQL, URL: secret.New("mysql://bob@h/db?horse=1")},
		"a database like an option":  {Kind: mysql.MySQL, URL: secret.New("mysql://bob@h/--result-file=horse")},
		"a table like an option":     {Kind: mysql.MySQL, URL: secret.New("mysql://bob@h/db"), ExcludeTableData: []string{"--x"}},
		"a line end in the password": {Kind: mysql.MySQL, URL: secret.New("mysql://bob@h/db"), Password: secret.New("horse\nuser=root")},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := mysql.New(o); err == nil || strings.Contains(err.Error(), "horse") || strings.Contains(err.Error(), "battery") {
				t.Errorf("got %v", err)
			}
		})
	}
}
