package secret_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-backup/holdfast/internal/secret"
)

func TestRedact(t *testing.T) {
	for name, c := range map[string]struct {
		text    string
		secrets []string
		want    string
	}{
		"a given secret goes":                      {"login with hunter2 failed", []string{"hunter2"}, "login with [hidden] failed"},
		"a given secret goes percent-encoded too":  {"url p%40ss%2Fword", []string{"p@ss/word"}, "url [hidden]"},
		"an empty secret hides nothing":            {"all is well", []string{""}, "all is well"},
		"the longer of two secrets goes first":     {"xabcdx", []string{"bc", "abcd"}, "x[hidden]x"},
		"a password in a url":                      {"postgres://bob:pw@db/crm", nil, "postgres://bob:[hidden]@db/crm"},
		"a password with @ and / in a url":         {"postgres://bob:p@w/d@db/crm", nil, "postgres://bob:[hidden]@db/crm"},
		"a url without a password stays":           {"see https://example.com:8080/a", nil, "see https://example.com:8080/a"},
		"password=…":                               {"password=x1 next", nil, "password=[hidden] next"},
		"PGPASSWORD=…":                             {"PGPASSWORD=x1", nil, "PGPASSWORD=[hidden]"},
		"a quoted value to its end":                {`password="a b" c`, nil, `password=[hidden] c`},
		"an argument":                              {"tool --password=x1 -h db", nil, "tool --password=[hidden] -h db"},
		"a query parameter":                        {"GET /?token=abc", nil, "GET /?token=[hidden]"},
		"AWS_SECRET_ACCESS_KEY=…":                  {"AWS_SECRET_ACCESS_KEY=abc/def", nil, "AWS_SECRET_ACCESS_KEY=[hidden]"},
		"a signature of a signed url":              {"https://s/k?X-Amz-Signature=00ff", nil, "https://s/k?X-Amz-Signature=[hidden]"},
		"JSON":                                     {`{"password": "a\"b", "n": 1}`, nil, `{"password": [hidden], "n": 1}`},
		"SQL":                                      {"ALTER ROLE a PASSWORD 'it''s'", nil, "ALTER ROLE a PASSWORD '[hidden]'"},
		"a bearer token":                           {"Authorization: Bearer abcdefgh.ij", nil, "Authorization: Bearer [hidden]"},
		"an age identity":                          {"AGE-SECRET-KEY-1QQQ", nil, "AGE-SECRET-KEY-[hidden]"},
		"a post-quantum age identity":              {"AGE-SECRET-KEY-PQ-1QQQ", nil, "AGE-SECRET-KEY-PQ-[hidden]"},
		"a PEM key":                                {"a\n-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----\nb", nil, "a\n-----BEGIN PRIVATE KEY-----[hidden]\nb"},
		"a PEM key without its end":                {"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\nbnNz", nil, "-----BEGIN OPENSSH PRIVATE KEY-----[hidden]"},
		"a PEM key without its beginning":          {"b3Bl\n-----END RSA PRIVATE KEY-----\nb", nil, "[hidden]\nb"},
		"a certificate stays":                      {"-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----", nil, "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----"},
		"what MySQL says about a password stays":   {"Access denied for user 'a'@'b' (using password: YES)", nil, "Access denied for user 'a'@'b' (using password: YES)"},
		"a secret that is not there":               {"a.yaml:4: b.passphrase: read secret: stat /x: no such file", nil, "a.yaml:4: b.passphrase: read secret: stat /x: no such file"},
		"a secret that others can read":            {`b.secret_key: secret file "/x": mode 0644`, nil, `b.secret_key: secret file "/x": mode 0644`},
		"a variable that is not set":               {"b.password: secret env:DB_PASSWORD: is empty", nil, "b.password: secret env:DB_PASSWORD: is empty"},
		"a secret beside what is said of another":  {"password: secret env:A: is empty; password: x1 y", nil, "password: secret env:A: is empty; password: [hidden] y"},
		"a password that begins as such a text":    {"password: secret files", nil, "password: [hidden] files"},
		"what PostgreSQL says of a password stays": {`FATAL:  password authentication failed for user "a"`, nil, `FATAL:  password authentication failed for user "a"`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := secret.Redact(c.text, c.secrets...); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestRedactLeavesNoGivenSecret(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`[A-Za-z0-9:@/%#? '"\\ö-]{6,20}`).
			Filter(func(s string) bool { return !strings.Contains(secret.Hidden, s) }).Draw(t, "secret")
		text := rapid.String().Draw(t, "before") + s + rapid.String().Draw(t, "after")
		if got := secret.Redact(text, s); strings.Contains(got, s) {
			t.Fatalf("%q still has %q", got, s)
		}
	})
}
