package mysql

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/holdfast-backup/holdfast/internal/proc"
	"github.com/holdfast-backup/holdfast/internal/secret"
)

// target is a database and the login for it. Empty fields are left to the tool.
type target struct {
	user, password, host, port, socket, database string
}

// parseURL reads mysql://user:password@host:port/database?socket=/path. No error
// shows any part of the URL, because a URL that is not understood may have its
// password anywhere.
func parseURL(whole, password secret.Secret) (target, error) {
	u, err := url.Parse(whole.Reveal())
	if err != nil {
		return target{}, errors.New(`mysql url: cannot be read; percent-encode "/", "?", "#", "%", "@" and ":" in the password`)
	}
	if u.Scheme != MySQL && u.Scheme != MariaDB || u.Opaque != "" {
		return target{}, errors.New("mysql url: want mysql://user@host:port/database")
	}
	t := target{user: u.User.Username(), host: u.Hostname(), port: u.Port(), database: strings.TrimPrefix(u.Path, "/")}
	if u.Fragment != "" || strings.ContainsAny(t.database, "/@") {
		return target{}, errors.New(`mysql url: a "#", "/" or "@" stands where none can; percent-encode those in the password`)
	}
	if t.database == "" || strings.HasPrefix(t.database, "-") {
		return target{}, errors.New("mysql url: names no database; want mysql://user@host:port/database")
	}
	for key, values := range u.Query() {
		if key != "socket" || len(values) != 1 {
			return target{}, errors.New("mysql url: has a parameter other than one socket; give others as args")
		}
		t.socket = values[0]
	}
	t.password, _ = u.User.Password()
	if t.password != "" && !password.IsZero() {
		return target{}, errors.New("mysql url: the password is given twice")
	}
	if t.password == "" {
		t.password = password.Reveal()
	}
	for _, value := range []string{t.user, t.password, t.host, t.socket, t.database} {
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' }) {
			return target{}, errors.New("mysql url: has a control character in it")
		}
	}
	return t, nil
}

// login gives the command what it needs to log in: the user's own option file,
// or one in memory. The caller closes the file if there is one.
func (t target) login(c *proc.Command, defaultsFile string) (*os.File, error) {
	if defaultsFile != "" {
		if _, err := os.Stat(defaultsFile); err != nil {
			return nil, fmt.Errorf("read defaults file: %w", err)
		}
		c.Args = []string{"--defaults-extra-file=" + defaultsFile}
		for _, o := range t.options() {
			if o.value != "" {
				c.Args = append(c.Args, "--"+o.name+"="+o.value)
			}
		}
		return nil, nil
	}
	file, err := proc.MemFile(t.optionFile())
	if err != nil {
		return nil, err
	}
	c.Files = []*os.File{file}
	c.Args = []string{"--defaults-extra-file=" + proc.FirstFile}
	if t.password != "" {
		// ~/.my.cnf and ~/.mylogin.cnf are read later and would win.
		c.Env = slices.DeleteFunc(c.Env, func(v string) bool { return strings.HasPrefix(v, "HOME=") })
		c.Env = append(c.Env, "HOME=/nonexistent")
	}
	return file, nil
}

type option struct{ name, value string }

// options are the parts of the login that may be seen.
func (t target) options() []option {
	protocol := ""
	switch {
	case t.socket != "":
		protocol = "socket"
	case t.host != "":
		protocol = "tcp" // "localhost" would mean the socket
	}
	return []option{{"user", t.user}, {"host", t.host}, {"port", t.port}, {"socket", t.socket}, {"protocol", protocol}}
}

// optionFile returns the login as an option file. Quotes and backslashes are
// escaped as mysys/my_default.c reads them.
func (t target) optionFile() string {
	var b strings.Builder
	b.WriteString("[client]\n")
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	for _, o := range append(t.options(), option{"password", t.password}) {
		if o.value != "" {
			fmt.Fprintf(&b, "%s=\"%s\"\n", o.name, escape.Replace(o.value))
		}
	}
	return b.String()
}
