package restore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/proc"
)

// marker is the table that stands in a MySQL database while it is incomplete.
const marker = "holdfast_restore_incomplete"

func (b *Backup) intoMySQL(ctx context.Context, text string, o IntoOptions) (Written, error) {
	s, err := b.chooseDump(o.Stream, "MySQL", func(s holdfast.Stream) bool {
		return s.Source.Kind == "mysql" || s.Source.Kind == "mariadb"
	})
	if err != nil {
		return Written{}, err
	}
	db, err := parseMySQL(text)
	if err != nil {
		return Written{}, err
	}
	// A dump by mariadb-dump may begin with what only the client of MariaDB
	// understands.
	names := []string{"mysql", "mariadb"}
	if s.Source.Kind == "mariadb" || strings.Contains(s.Source.Engine+s.Source.Tool, "MariaDB") {
		names = []string{"mariadb", "mysql"}
	}
	if db.path, err = findClient(o.BinDir, names...); err != nil {
		return Written{}, err
	}
	if err := db.begin(ctx, o.Force); err != nil {
		return Written{}, err
	}
	b.begin(s)
	err = b.read(ctx, s, func(plain io.Reader) error {
		// In binary mode the client takes no commands of its own from the dump.
		_, err := db.client("--binary-mode").feed(ctx, func(stdin io.Writer) error { return feedProven(stdin, plain) })
		return err
	})
	if err == nil {
		_, err = db.client("-e", "DROP TABLE `"+marker+"`").output(ctx)
	}
	if err != nil {
		return Written{}, fmt.Errorf("restore stream %q into %s: %w", s.Name, db.shown, err)
	}
	return Written{Stream: s.Name, Path: db.shown, Size: s.PlainSize}, nil
}

// mysql is a database to restore into.
type mysql struct {
	path     string // of the client
	args     []string
	database string
	shown    string // host and name
	password string
}

// parseMySQL reads mysql://user:password@host:port/database, or with a socket
// mysql://user@/database?socket=/path. Its errors show nothing of the text,
// which may have its password anywhere.
func parseMySQL(text string) (mysql, error) {
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" {
		return mysql{}, errors.New("mysql url: want mysql://user:password@host:port/database, with special characters percent-encoded")
	}
	db := mysql{database: strings.TrimPrefix(u.Path, "/")}
	if db.database == "" || strings.Contains(db.database, "/") {
		return mysql{}, errors.New("mysql url: names no database")
	}
	db.shown = where("mysql", u.Host, u.Path)
	db.password, _ = u.User.Password()
	if strings.ContainsAny(db.password, "\x00\r\n") {
		return mysql{}, errors.New("mysql url: the password has a line end or a zero byte, which no option file can hold")
	}
	for key, values := range u.Query() {
		switch key {
		case "socket":
			db.args = append(db.args, "--protocol=SOCKET", "--socket="+values[0])
		case "ssl-ca", "ssl-cert", "ssl-key", "ssl-mode":
			db.args = append(db.args, "--"+key+"="+values[0])
		default:
			return mysql{}, errors.New("mysql url: unknown parameter, want socket, ssl-ca, ssl-cert, ssl-key or ssl-mode")
		}
	}
	if host := u.Hostname(); host != "" {
		db.args = append(db.args, "--protocol=TCP", "--host="+host)
	}
	if port := u.Port(); port != "" {
		db.args = append(db.args, "--port="+port)
	}
	if name := u.User.Username(); name != "" {
		db.args = append(db.args, "--user="+name)
	}
	return db, nil
}

// client returns a client of the database. Where there is a password it reads
// an option file in memory instead of the usual ones, because ~/.my.cnf would
// come after it and win.
func (db mysql) client(args ...string) client {
	c := client{path: db.path, password: db.password}
	c.env = proc.ToolEnv(func(name string) bool { return name == "MYSQL_PWD" && db.password == "" })
	if db.password != "" {
		c.passfile = "[client]\npassword=\"" + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(db.password) + "\"\n"
		c.args = append(c.args, "--defaults-file="+proc.FirstFile)
	}
	c.args = append(c.args, db.args...)
	c.args = append(c.args, "--batch", "--skip-column-names", "--default-character-set=utf8mb4", "--local-infile=0", "--max-allowed-packet=1G")
	c.args = append(c.args, args...)
	c.args = append(c.args, "--database="+db.database)
	return c
}

// begin refuses a database that is not empty and puts up the marker.
func (db mysql) begin(ctx context.Context, force bool) error {
	tables, err := db.client("-e", "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()").output(ctx)
	if err != nil {
		return err
	}
	if !force {
		for name := range strings.FieldsSeq(tables) {
			if name == marker {
				return fmt.Errorf("restore into %s: %w", db.shown, ErrIncomplete)
			}
		}
		if tables != "" {
			return fmt.Errorf("restore into %s: %w", db.shown, ErrNotEmpty)
		}
	}
	_, err = db.client("-e", "CREATE TABLE IF NOT EXISTS `"+marker+"` (since TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)").output(ctx)
	if err != nil {
		return fmt.Errorf("mark %s as incomplete: %w", db.shown, err)
	}
	return nil
}
