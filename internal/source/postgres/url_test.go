package postgres

import (
	"net/url"
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast/internal/secret"
)

func TestParseURLTakesThePasswordOut(t *testing.T) {
	for name, c := range map[string]struct{ url, password, want, wantPassword, wantDatabase string }{
		"a plain one":             {"postgres://bob:pw@db:5432/crm", "", "postgres://bob@db:5432/crm", "pw", "crm"},
		"no password":             {"postgresql://bob@db/crm", "", "postgres://bob@db/crm", "", "crm"},
		"a separate password":     {"postgres://bob@db/crm", "pw", "postgres://bob@db/crm", "pw", "crm"},
		"an encoded password":     {"postgres://bob:p%40%2F%3a@db/crm", "", "postgres://bob@db/crm", "p@/:", "crm"},
		"an @ in the password":    {"postgres://bob:p@w@db/crm", "", "postgres://bob@db/crm", "p@w", "crm"},
		"a password in the query": {"postgres://bob@db/crm?sslmode=require&password=p%20w&x=1", "", "postgres://bob@db/crm?sslmode=require&x=1", "p w", "crm"},
		"an encoded parameter":    {"postgres://db/crm?pass%77ord=pw", "", "postgres://db/crm", "pw", "crm"},
		"only a password in it":   {"postgres://db/crm?password=pw", "", "postgres://db/crm", "pw", "crm"},
		"several hosts":           {"postgres://bob:pw@a:1,b:2/crm?target_session_attrs=any", "", "postgres://bob@a:1,b:2/crm?target_session_attrs=any", "pw", "crm"},
		"an IPv6 address":         {"postgres://bob:pw@[::1]:5432/crm", "", "postgres://bob@[::1]:5432/crm", "pw", "crm"},
		"a socket":                {"postgres://%2Fvar%2Frun/crm", "", "postgres://%2Fvar%2Frun/crm", "", "crm"},
		"a socket as parameter":   {"postgres:///crm?host=/var/run", "", "postgres:///crm?host=/var/run", "", "crm"},
		"no database":             {"postgres://bob@db", "", "postgres://bob@db/", "", ""},
		"an encoded database":     {"postgres://db/my%20crm", "", "postgres://db/my%20crm", "", "my crm"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseURL(secret.New(c.url), secret.New(c.password))
			if err != nil {
				t.Fatal(err)
			}
			if got != (target{c.want, c.wantDatabase, c.wantPassword}) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestParseURLRefusesWithoutShowingIt(t *testing.T) {
	for name, url := range map[string]string{
		"another scheme":               "mysql://bob:horse@db/crm",
		"no scheme":                    "bob:horse",
		"a slash in the password":      "postgres://bob:horse/battery@db/crm",
		"a slash and no host":          "postgres://bob:horse/battery",
		"a question mark in it":        "postgres://bob:horse?battery@db/crm",
		"a percent sign in it":         "postgres://bob:horse%zz@db/crm",
		"two passwords":                "postgres://bob:horse@db/crm?password=horse",
		"a passphrase of a key":        "postgres://bob@db/crm?sslpassword=horse",
		"a hidden passphrase":          "postgres://bob@db/crm?sslpass%77ord=horse",
		"a slip":                       "postgres://bob@db/crm??password=horse",
		"a line end in the password":   "postgres://bob:horse%0a@db/crm",
		"an empty one":                 "",
		"a database with a bad escape": "postgres://db/horse%zz",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseURL(secret.New(url), secret.Secret{})
			if err == nil {
				t.Fatal("got no error")
			}
			for _, part := range []string{"horse", "battery", "bob"} {
				if strings.Contains(err.Error(), part) {
					t.Errorf("it shows: %v", err)
				}
			}
		})
	}
}

func FuzzParseURL(f *testing.F) {
	f.Add("postgres://bob:horse@db:5432/crm?sslmode=require", "")
	f.Add("postgres://bob@a,b/crm?password=horse", "pw")
	f.Add("postgres://bob:p@w:x@[::1]/crm", "")
	f.Fuzz(func(t *testing.T, whole, password string) {
		got, err := parseURL(secret.New(whole), secret.New(password))
		if err != nil {
			return
		}
		_, query, _ := strings.Cut(got.url, "?")
		for parameter := range strings.SplitSeq(query, "&") {
			key, _, _ := strings.Cut(parameter, "=")
			if key, _ = url.PathUnescape(key); strings.Contains(key, "password") {
				t.Errorf("a password is left in %q", got.url)
			}
		}
		if user, _, ok := strings.Cut(strings.TrimPrefix(got.url, "postgres://"), "@"); ok && strings.Contains(user, ":") {
			t.Errorf("a password is left in %q", got.url)
		}
	})
}

func TestPassfileEscapes(t *testing.T) {
	if got, want := passfile(`a:b\c`), `*:*:*:*:a\:b\\c`+"\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
