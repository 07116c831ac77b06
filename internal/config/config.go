// Package config reads pusher.yaml and holdfast.yaml. It is strict: an unknown
// or repeated key, a value that makes no sense and a reference to something that
// is not there are errors, and all that is wrong with a file is told at once,
// each with its line. It resolves no secret, opens no key and contacts nobody.
//
// Files are plain YAML in one document, without anchors, aliases and tags.
// Secrets do not stand in them, only references to secrets (secret.Ref), so
// that the files themselves may be shown. Relative paths of keys and secrets
// are relative to the directory of the file.
package config

//go:generate go test . -run UpToDate -update

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"

	"github.com/holdfast-backup/holdfast/internal/secret"
)

// LoadPusher reads the pusher.yaml at path. What is wrong in it is returned as
// Problems.
func LoadPusher(path string) (*Pusher, error) {
	dir, data, err := read(path)
	if err != nil {
		return nil, err
	}
	return parse(path, dir, data, (*Pusher).check, "env", "file")
}

// ParsePusher reads data as a pusher.yaml. The name is for messages, and its
// directory is what relative paths are relative to.
func ParsePusher(name string, data []byte) (*Pusher, error) {
	return parse(name, filepath.Dir(name), data, (*Pusher).check, "env", "file")
}

// LoadHoldfast reads the holdfast.yaml at path. What is wrong in it is returned
// as Problems.
func LoadHoldfast(path string) (*Holdfast, error) {
	dir, data, err := read(path)
	if err != nil {
		return nil, err
	}
	return parse(path, dir, data, (*Holdfast).check, "env", "file", "ssm")
}

// ParseHoldfast reads data as a holdfast.yaml. The name is for messages, and its
// directory is what relative paths are relative to.
func ParseHoldfast(name string, data []byte) (*Holdfast, error) {
	return parse(name, filepath.Dir(name), data, (*Holdfast).check, "env", "file", "ssm")
}

// read returns the file and its absolute directory: a service that changes its
// working directory must not lose its keys.
func read(path string) (dir string, data []byte, err error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", nil, fmt.Errorf("read configuration: %w", err)
	}
	data, err = os.ReadFile(path)
	if err != nil {
		return "", nil, fmt.Errorf("read configuration: %w", err)
	}
	return filepath.Dir(abs), data, nil
}

// parse decodes data and then checks it, also where decoding found problems, so
// that one look shows them all. Secrets lie in one of the given kinds of places.
func parse[T any](name, dir string, data []byte, check func(*T, *document), secrets ...string) (*T, error) {
	d := &document{file: name, dir: dir, secrets: secrets, lines: map[string]int{}, refs: map[secret.Ref][]string{}}
	body := d.parse(data)
	if body == nil {
		return nil, d.problems
	}
	c := new(T)
	d.decode(body, reflect.ValueOf(c).Elem(), "")
	check(c, d)
	if len(d.problems) > 0 {
		return nil, d.sorted()
	}
	return c, nil
}
