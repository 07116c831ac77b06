package config

import (
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/holdfast-backup/holdfast/internal/secret"
)

// DSN is where a database is: a URL without a password, or a reference to a
// secret that holds the whole URL.
type DSN struct {
	ref   secret.Ref
	plain string
}

// IsZero reports whether nothing was given.
func (s DSN) IsZero() bool { return s == DSN{} }

// String returns the reference, or the URL, which has no password.
func (s DSN) String() string {
	if s.ref != "" {
		return string(s.ref)
	}
	return s.plain
}

// Resolve returns the URL. It may hold a password where it came by reference.
func (s DSN) Resolve() (secret.Secret, error) {
	if s.ref != "" {
		return s.ref.Resolve()
	}
	if s.plain == "" {
		return secret.Secret{}, fmt.Errorf("database url: not given")
	}
	return secret.New(s.plain), nil
}

func (s *DSN) decodeNode(d *document, n ast.Node, path string) {
	text, ok := d.text(n, path)
	if !ok {
		return
	}
	if isReference(text) {
		s.ref = d.decodeRef(n, path)
		return
	}
	// Nothing below quotes the text: what stands here by mistake is a secret.
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || !strings.Contains(text, "://") {
		d.errorf(path, "want env:NAME or file:PATH of a URL, or a URL without a password")
		return
	}
	if _, has := u.User.Password(); has || holdsPassword(text) {
		d.errorf(path, "holds a password; put the whole URL into the environment or a file, and say env:NAME or file:PATH here")
		return
	}
	s.plain = text
}

// decodeRef reads a secret's reference, makes its path absolute, and notes where it
// stands.
func (d *document) decodeRef(n ast.Node, path string) secret.Ref {
	ref := d.readRef(n, path)
	if ref != "" {
		d.refs[ref] = append(d.refs[ref], path)
	}
	return ref
}

func (d *document) readRef(n ast.Node, path string) secret.Ref {
	text, ok := d.text(n, path)
	if !ok {
		return ""
	}
	kind, rest, _ := strings.Cut(text, ":")
	if !slices.Contains(d.secrets, kind) || rest == "" {
		d.errorf(path, "want %s, where the secret is, not the secret itself", d.places())
		return ""
	}
	switch kind {
	case "file":
		return secret.Ref("file:" + d.resolve(path, rest))
	case "env":
		if !isVariable(rest) {
			d.errorf(path, "env: want the name of an environment variable")
			return ""
		}
	case "ssm":
		if !strings.HasPrefix(rest, "/") || strings.ContainsFunc(rest, notInParameter) {
			d.errorf(path, "ssm: want the name of a parameter, such as /holdfast/broker-secret")
			return ""
		}
	}
	return secret.Ref(text)
}

// places returns how the references to secrets in this file can look.
func (d *document) places() string {
	var forms []string
	for _, kind := range d.secrets {
		forms = append(forms, map[string]string{"env": "env:NAME", "file": "file:PATH", "ssm": "ssm:/NAME"}[kind])
	}
	return oneOf(forms)
}

// notInParameter reports whether the letter can't stand in the name of a
// parameter in AWS's parameter store.
func notInParameter(r rune) bool {
	return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-/", r)
}

// resolve returns the file's path value, seen from the directory of the
// configuration file. No value stays none.
func (d *document) resolve(path, value string) string {
	switch {
	case value == "":
		return ""
	case strings.HasPrefix(value, "~"):
		d.errorf(path, "%q: ~ is not expanded, want an absolute path or one relative to this file", value)
		return value
	case filepath.IsAbs(value):
		return filepath.Clean(value)
	}
	return filepath.Join(d.dir, value)
}

func isReference(text string) bool {
	return strings.HasPrefix(text, "env:") || strings.HasPrefix(text, "file:")
}

// isVariable reports whether name can name an environment variable.
func isVariable(name string) bool {
	return name != "" && !strings.ContainsAny(name, "= \t\r\n\x00")
}

// holdsPassword reports whether text, an argument or a URL, gives a password away.
func holdsPassword(text string) bool {
	lower := strings.ToLower(text)
	if strings.Contains(lower, "password=") || strings.Contains(lower, "passwd=") {
		return true
	}
	_, rest, ok := strings.Cut(text, "://")
	if !ok {
		return false
	}
	authority, _, _ := strings.Cut(rest, "/")
	user, _, ok := strings.Cut(authority, "@")
	return ok && strings.Contains(user, ":")
}
