package testenv_test

import (
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast/internal/testenv"
)

func TestPostgresGivesFreshDatabases(t *testing.T) {
	s := testenv.Postgres(t)
	one, two := s.Database(t), s.Database(t)
	testenv.Psql(t, one, "CREATE TABLE a (n int); INSERT INTO a VALUES (7)")
	if got := testenv.Psql(t, one, "SELECT n FROM a"); got != "7\n" {
		t.Errorf("got %q, want 7", got)
	}
	if got := testenv.Psql(t, two, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"); got != "0\n" {
		t.Errorf("the second database has %q tables, want 0", got)
	}
}

func TestMariaDBGivesFreshDatabasesAndAUserWithoutProcess(t *testing.T) {
	s := testenv.MariaDB(t)
	db := s.Database(t)
	testenv.Mysql(t, db, "CREATE TABLE a (n int); INSERT INTO a VALUES (7)")
	if got := testenv.Mysql(t, db, "SELECT n FROM a"); got != "7\n" {
		t.Errorf("got %q, want 7", got)
	}
	grants := testenv.Mysql(t, "", "SHOW GRANTS FOR "+s.Limited)
	if strings.Contains(grants, "PROCESS") || !strings.Contains(grants, "USAGE ON *.*") {
		t.Errorf("the limited user has %s", grants)
	}
}
