package config

import (
	"net/netip"
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/holdfast-backup/holdfast"
)

// required notes a key without a value, and reports whether it has one.
func (d *document) required(path, value string) bool {
	if value == "" {
		d.errorf(path, "is missing")
	}
	return value != ""
}

func (d *document) checkName(path, what, name string) {
	if err := holdfast.CheckName(what, name); err != nil {
		d.errorf(path, "%v", err)
	}
}

// checkChoice accepts no value too.
func (d *document) checkChoice(path, value string, choices ...string) {
	if value != "" && !slices.Contains(choices, value) {
		d.errorf(path, "unknown value %s", unknown(value, choices))
	}
}

// checkAbsolute accepts no value too. What a path means must not depend on the
// directory somebody started a program in.
func (d *document) checkAbsolute(path, value string) {
	if value != "" && !filepath.IsAbs(value) {
		d.errorf(path, "%q: want an absolute path", value)
	}
}

// checkPositive notes a length of time that was given as nothing.
func (d *document) checkPositive(path string, s holdfast.Span) {
	if d.given(path) && s.IsZero() {
		d.errorf(path, "want more than 0")
	}
}

// checkWords notes a command without a program in it.
func (d *document) checkWords(path string, words []string) {
	if len(words) == 0 || strings.TrimSpace(words[0]) == "" {
		d.errorf(path, "names no program")
	}
}

// checkWebURL accepts no value too.
func (d *document) checkWebURL(path, value string) {
	if value == "" {
		return
	}
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		d.errorf(path, "want an https:// or http:// URL")
	}
}

// checkBroker checks the URL of a broker: tokens and signed requests travel to
// it, so plain http must not leave the machine.
func (d *document) checkBroker(path, value string) {
	if !d.required(path, value) {
		return
	}
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Hostname() == "":
		d.errorf(path, "want a URL, such as https://backup.example.com")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		d.errorf(path, "want a URL without login, query and fragment")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		d.errorf(path, "plain http is accepted for loopback addresses only; want https://%s", u.Host)
	case u.Scheme != "https" && u.Scheme != "http":
		d.errorf(path, "unknown scheme %s", unknown(u.Scheme, []string{"https", "http"}))
	}
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// kinds returns the keys of the pointers in the struct v, each one kind of the
// thing it stands for, and those of them that are given.
func kinds(v any) (given, all []string) {
	value := reflect.ValueOf(v)
	for i := range value.NumField() {
		if value.Field(i).Kind() != reflect.Pointer {
			continue
		}
		key := value.Type().Field(i).Tag.Get("yaml")
		all = append(all, key)
		if !value.Field(i).IsNil() {
			given = append(given, key)
		}
	}
	return given, all
}

// checkOneKind notes anything but exactly one kind in the struct v.
func (d *document) checkOneKind(path, what string, v any) {
	switch given, all := kinds(v); {
	case len(given) > 1:
		d.errorf(path, "is %s at once, want one of them", strings.Join(given, " and "))
	case len(given) == 0 && !d.broken(path):
		d.errorf(path, "names no kind of %s, want %s", what, oneOf(all))
	}
}
