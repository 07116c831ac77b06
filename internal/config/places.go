package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/holdfast-backup/holdfast/internal/secret"
)

// places says where in its file each key and each reference to a secret stands, for
// what turns out to be wrong with a value once it is used.
type places struct {
	file    string
	lines   map[string]int          // by path
	secrets map[secret.Ref][]string // paths by reference
}

// where returns where everything stands that has been read.
func (d *document) where() *places { return &places{d.file, d.lines, d.refs} }

// located is an error about the value of a key. It reads as a Problem does.
type located struct {
	Problem
	err error
}

func (l located) Unwrap() error { return l.err }

// At returns err with the place of the key at path, "encrypt_to.openpgp", in front
// of it. An error that names a place already is returned as it is, and nil as nil.
func (p *places) At(path string, err error) error {
	var already located
	if p == nil || err == nil || errors.As(err, &already) {
		return err
	}
	d := document{lines: p.lines}
	return located{Problem{p.file, d.line(path), path, err.Error()}, err}
}

// Locate returns err in the words of the secret that could not be fetched, behind
// the place of the reference to it, which says more of where to look than
// whatever came on the way. Another error, or one about a reference that is not of
// this file, is returned as it is; of several that were joined each is looked at,
// unless somebody put words around them.
func (p *places) Locate(err error) error {
	if p == nil || err == nil {
		return err
	}
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		parts := several.Unwrap()
		if err.Error() != errors.Join(parts...).Error() {
			return err
		}
		return p.each(err, parts)
	}
	ref := refError(err)
	if ref == nil || len(p.secrets[ref.Ref]) == 0 {
		return err
	}
	paths, text := p.secrets[ref.Ref], ref.Error()
	if len(paths) > 1 {
		text += fmt.Sprintf(" (for %s too)", strings.Join(paths[1:], ", "))
	}
	at := p.At(paths[0], errors.New(text))
	var found located
	if errors.As(at, &found) {
		found.err = err
		return found
	}
	return err
}

// refError returns the error about a secret that err is, or has come from alone; nil if
// there is none.
func refError(err error) *secret.RefError {
	for err != nil {
		if ref, ok := err.(*secret.RefError); ok {
			return ref
		}
		err = errors.Unwrap(err) // nil where several were joined
	}
	return nil
}

// each locates each of the errors that err consists of.
func (p *places) each(err error, parts []error) error {
	changed := false
	var all []error
	for _, part := range parts {
		where := p.Locate(part)
		var found located
		changed = changed || errors.As(where, &found)
		all = append(all, where)
	}
	if !changed {
		return err
	}
	return errors.Join(all...)
}
