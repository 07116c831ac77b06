package postgres

import (
	"errors"
	"net/url"
	"strconv"
	"strings"

	"github.com/holdfast-backup/holdfast/internal/secret"
)

// target is a database to connect to: a URL that may be shown, and the password
// that was taken out of it.
type target struct {
	url      string
	database string // "" is libpq's default
	password string
}

// parseURL takes the password out of a connection URL as libpq reads it: several
// hosts and parameters stay as they are. No error shows any part of the URL,
// because a URL that is not understood may have its password anywhere.
func parseURL(whole, password secret.Secret) (target, error) {
	scheme, rest, ok := strings.Cut(whole.Reveal(), "://")
	if !ok || scheme != "postgres" && scheme != "postgresql" {
		return target{}, errors.New("postgres url: want postgres://user@host:port/database")
	}
	rest, query, _ := strings.Cut(rest, "?")
	authority, database, _ := strings.Cut(rest, "/")
	if strings.ContainsAny(database+query, "@") || strings.Contains(database, "/") {
		return target{}, errors.New(`postgres url: an "@" or "/" stands where none can; percent-encode those in the password (%40, %2F, and "?" as %3F)`)
	}
	var t target
	user, hosts := "", authority
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		var encoded string
		user, encoded, _ = strings.Cut(authority[:at], ":")
		hosts = authority[at+1:]
		var err error
		if t.password, err = url.PathUnescape(encoded); err != nil {
			return target{}, errors.New(`postgres url: the password has a "%" that is not followed by two hex digits; write "%" as %25`)
		}
		user += "@"
	}
	if err := checkHosts(hosts); err != nil {
		return target{}, err
	}
	query, fromQuery, err := stripQuery(query)
	if err != nil {
		return target{}, err
	}
	given := 0
	for _, p := range []string{t.password, fromQuery, password.Reveal()} {
		if p != "" {
			t.password = p
			given++
		}
	}
	if given > 1 {
		return target{}, errors.New("postgres url: the password is given twice")
	}
	if strings.ContainsAny(t.password, "\x00\r\n") {
		return target{}, errors.New("postgres password: has a line end or a zero byte, which no password file can hold")
	}
	t.url = "postgres://" + user + hosts + "/" + database + query
	t.database, err = url.PathUnescape(database)
	if err != nil {
		return target{}, errors.New("postgres url: the database name is not properly percent-encoded")
	}
	return t, nil
}

// checkHosts refuses a host list whose ports are no numbers: that is how a
// password with an unescaped character in it shows, and libpq would print it.
func checkHosts(hosts string) error {
	for host := range strings.SplitSeq(hosts, ",") {
		after := host[strings.LastIndexByte(host, ']')+1:]
		_, port, ok := strings.Cut(after, ":")
		if _, err := strconv.ParseUint(port, 10, 16); ok && port != "" && err != nil {
			return errors.New(`postgres url: the port is not a number; percent-encode "/", "?", "@" and ":" in the password`)
		}
	}
	return nil
}

// stripQuery returns the query with its "?", without the parameters that are or
// point at the password, and the password it had.
func stripQuery(query string) (rest, password string, err error) {
	if query == "" {
		return "", "", nil
	}
	var kept []string
	for parameter := range strings.SplitSeq(query, "&") {
		encoded, value, _ := strings.Cut(parameter, "=")
		key, bad := url.PathUnescape(encoded)
		switch {
		case bad != nil:
			return "", "", errors.New("postgres url: a parameter is not properly percent-encoded")
		case key == "password":
			if password, err = url.PathUnescape(value); err != nil {
				return "", "", errors.New("postgres url: the password is not properly percent-encoded")
			}
		case strings.Contains(strings.ToLower(key), "password"): // sslpassword, or a slip
			return "", "", errors.New("postgres url: a password in any parameter but password= would show in the process list; for sslpassword use a key without a passphrase, readable by its owner only")
		default:
			kept = append(kept, parameter)
		}
	}
	if len(kept) == 0 {
		return "", password, nil
	}
	return "?" + strings.Join(kept, "&"), password, nil
}

// passfile returns the content of a password file that gives the password to
// every connection.
func passfile(password string) string {
	return "*:*:*:*:" + strings.NewReplacer(`\`, `\\`, `:`, `\:`).Replace(password) + "\n"
}
