package testenv

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// MariaDBServer is a running MariaDB.
type MariaDBServer struct {
	Host     string // loopback
	Port     int
	Socket   string // path of its unix socket
	User     string // may do anything
	Password string // with awkward characters in it
	// Limited is a user with the same password who may do anything in every
	// database of a test and read routines, but has no global privilege such
	// as PROCESS.
	Limited string
}

var startMariaDB = sync.OnceValues(newMariaDB)

// MariaDB returns the MariaDB of this test binary and starts it if it is the
// first to ask. It ends with the test binary. Safe for concurrent use.
func MariaDB(t testing.TB) *MariaDBServer {
	t.Helper()
	s, err := startMariaDB()
	if err != nil {
		t.Fatalf("start MariaDB: %v", err)
	}
	return s
}

func newMariaDB() (*MariaDBServer, error) {
	install, err := find("mariadb-server", "mariadb-install-db")
	if err != nil {
		return nil, err
	}
	server, err := find("mariadb-server", "mariadbd", "/usr/sbin")
	if err != nil {
		return nil, err
	}
	as, err := serverUser("mysql")
	if err != nil {
		return nil, err
	}
	dir, err := privateDir("holdfast-my-", as)
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &MariaDBServer{Host: "127.0.0.1", Port: port, Socket: filepath.Join(dir, "sock"),
		User: "boss", Password: awkward(), Limited: "limited"}
	data := "--datadir=" + filepath.Join(dir, "data")
	err = run(as, dir, install, "--no-defaults", data, "--auth-root-authentication-method=normal",
		"--skip-test-db", "--skip-name-resolve", "--innodb-flush-method=fsync")
	if err != nil {
		return nil, err
	}
	grants := filepath.Join(dir, "grants.sql")
	if err := os.WriteFile(grants, []byte(s.grants()), 0o644); err != nil {
		return nil, err
	}
	err = supervise(dir, "KILL", as, server, "--no-defaults", data, "--socket="+s.Socket,
		"--port="+strconv.Itoa(port), "--bind-address=127.0.0.1", "--pid-file="+filepath.Join(dir, "pid"),
		"--init-file="+grants, "--innodb-buffer-pool-size=32M", "--innodb-flush-log-at-trx-commit=0",
		"--sync-binlog=0", "--event-scheduler=OFF", "--max-allowed-packet=64M", "--character-set-server=utf8mb4",
		"--log-bin-trust-function-creators=1", "--aria-pagecache-buffer-size=8M", "--key-buffer-size=1M")
	if err != nil {
		return nil, err
	}
	for range 600 {
		cmd := exec.Command(clientPath(), s.args("")...)
		cmd.Env = append(os.Environ(), "MYSQL_PWD="+s.Password)
		cmd.Stdin = strings.NewReader("select 1")
		if cmd.Run() == nil {
			return s, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil, fmt.Errorf("no answer on port %d\n%s", port, logOf(dir))
}

func (s *MariaDBServer) grants() string {
	quoted := "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(s.Password) + "'"
	return "CREATE USER boss@'%' IDENTIFIED BY " + quoted + ";\n" +
		"GRANT ALL ON *.* TO boss@'%' WITH GRANT OPTION;\n" +
		"CREATE USER limited@'%' IDENTIFIED BY " + quoted + ";\n" +
		"GRANT ALL ON `test\\_%`.* TO limited@'%';\n" +
		"GRANT SELECT ON mysql.proc TO limited@'%';\n" +
		"DELETE FROM mysql.global_priv WHERE User='';\nFLUSH PRIVILEGES;\n"
}

// URL returns the URL of a database, with user and password.
func (s *MariaDBServer) URL(user, database string) string {
	u := url.URL{Scheme: "mysql", User: url.UserPassword(user, s.Password), Path: "/" + database,
		Host: net.JoinHostPort(s.Host, strconv.Itoa(s.Port))}
	return u.String()
}

// Database makes a fresh, empty database and returns its name.
func (s *MariaDBServer) Database(t testing.TB) string {
	t.Helper()
	name := freshName()
	Mysql(t, "", "CREATE DATABASE "+name+" CHARACTER SET utf8mb4")
	return name
}

// Mysql runs SQL through the mariadb client in the database ("" is none) as the
// powerful user and returns what it prints: rows as lines, columns separated by
// tabs. An error fails the test.
func Mysql(t testing.TB, database, sql string) string {
	t.Helper()
	return MysqlFrom(t, database, strings.NewReader(sql))
}

// MysqlFrom is Mysql for what does not fit in a string, such as a dump.
func MysqlFrom(t testing.TB, database string, sql io.Reader) string {
	t.Helper()
	s := MariaDB(t)
	cmd := exec.CommandContext(t.Context(), clientPath(), s.args(database)...)
	cmd.Env = append(os.Environ(), "MYSQL_PWD="+s.Password)
	cmd.Stdin = sql
	var out, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("mariadb: %v\n%s", err, stderr.String())
	}
	return out.String()
}

func (s *MariaDBServer) args(database string) []string {
	return []string{"--no-defaults", "--host=" + s.Host, "--port=" + strconv.Itoa(s.Port), "--user=" + s.User,
		"--protocol=tcp", "--default-character-set=utf8mb4", "--max-allowed-packet=64M",
		"--batch", "--skip-column-names", "--database=" + database}
}

// clientPath returns the client under the newer name where it exists.
func clientPath() string {
	if path, err := exec.LookPath("mariadb"); err == nil {
		return path
	}
	return "mysql"
}
