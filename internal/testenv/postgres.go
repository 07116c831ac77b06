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

// PostgresServer is a running PostgreSQL that asks for passwords.
type PostgresServer struct {
	Host     string // loopback
	Port     int
	Socket   string // directory of its unix socket
	User     string // a superuser
	Password string // with awkward characters in it
	BinDir   string // of pg_dump, pg_restore, …, of the server's version
}

var startPostgres = sync.OnceValues(newPostgres)

// Postgres returns the PostgreSQL of this test binary and starts it if it is the
// first to ask. It ends with the test binary. Safe for concurrent use.
func Postgres(t testing.TB) *PostgresServer {
	t.Helper()
	s, err := startPostgres()
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	return s
}

func newPostgres() (*PostgresServer, error) {
	initdb, err := find("postgresql", "initdb", "/usr/lib/postgresql/*/bin")
	if err != nil {
		return nil, err
	}
	as, err := serverUser("postgres")
	if err != nil {
		return nil, err
	}
	dir, err := privateDir("holdfast-pg-", as)
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &PostgresServer{Host: "127.0.0.1", Port: port, Socket: dir, User: "boss", Password: awkward(), BinDir: filepath.Dir(initdb)}
	password, data := filepath.Join(dir, "password"), filepath.Join(dir, "data")
	if err := os.WriteFile(password, []byte(s.Password+"\n"), 0o644); err != nil {
		return nil, err
	}
	err = run(as, dir, initdb, "--pgdata="+data, "--username="+s.User, "--pwfile="+password,
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
	if err != nil {
		return nil, err
	}
	err = supervise(dir, "QUIT", as, filepath.Join(s.BinDir, "postgres"), "-D", data, "-k", dir,
		"-p", strconv.Itoa(port), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off",
		"-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "shared_buffers=32MB")
	if err != nil {
		return nil, err
	}
	address := net.JoinHostPort(s.Host, strconv.Itoa(port))
	for range 600 {
		cmd := exec.Command(filepath.Join(s.BinDir, "psql"), "-X", "-c", "select 1", s.URL("postgres"))
		if cmd.Run() == nil {
			return s, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil, fmt.Errorf("no answer on %s\n%s", address, logOf(dir))
}

// URL returns the URL of a database, with user and password.
func (s *PostgresServer) URL(database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(s.User, s.Password), Path: "/" + database,
		Host: net.JoinHostPort(s.Host, strconv.Itoa(s.Port))}
	return u.String()
}

// Database makes a fresh, empty database and returns its URL.
func (s *PostgresServer) Database(t testing.TB) string {
	t.Helper()
	name := freshName()
	Psql(t, s.URL("postgres"), "CREATE DATABASE "+name+" TEMPLATE template0")
	return s.URL(name)
}

// Psql runs SQL through psql, all of it or none, and returns what it prints:
// rows as lines, columns separated by "|". An error fails the test.
func Psql(t testing.TB, url, sql string) string {
	t.Helper()
	return PsqlFrom(t, url, strings.NewReader(sql))
}

// PsqlFrom is Psql for what does not fit in a string, such as a dump.
func PsqlFrom(t testing.TB, url string, sql io.Reader) string {
	t.Helper()
	s := Postgres(t)
	return client(t, sql, filepath.Join(s.BinDir, "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-", url)
}

func client(t testing.TB, in io.Reader, path string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stdin = in
	var out, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(path), err, stderr.String())
	}
	return out.String()
}
