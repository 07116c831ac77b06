package main

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/cli"
)

// knownHosts is the file that remembers which keys a broker gave for which host,
// one "BROKER HOST KEY" a line. Who owns the server could else answer with a key
// of their own, and with backups that it fits.
type knownHosts struct {
	path   string
	broker string
	warn   func(text string)
}

// choose returns the keys that the broker gives for the host if all of them are
// known. A host without known keys is trusted this once, and its keys are known
// from then on.
func (k knownHosts) choose(host string, given []ed25519.PublicKey) ([]ed25519.PublicKey, error) {
	known, err := k.read(host)
	if err != nil {
		return nil, err
	}
	if len(known) == 0 {
		return given, k.add(host, given)
	}
	for _, key := range given {
		if text := holdfast.FormatPublicKey(key); !slices.Contains(known, text) {
			return nil, cli.Hint(fmt.Errorf("host %q: the broker gives the key %s, which is not the one known from %q", host, text, k.path),
				"ask whoever runs the host whether it has a new key. If so, add the line `%s` to that file, or pass --host-key; if not, the server answers with somebody else's", k.line(host, key))
		}
	}
	return given, nil
}

func (k knownHosts) line(host string, key ed25519.PublicKey) string {
	return k.broker + " " + host + " " + holdfast.FormatPublicKey(key)
}

// read returns the known keys of the host.
func (k knownHosts) read(host string) ([]string, error) {
	content, err := os.ReadFile(k.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("known hosts: %w", err)
	}
	var keys []string
	lines := bufio.NewScanner(bytes.NewReader(content))
	for n := 1; lines.Scan(); n++ {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) != 3 {
			return nil, fmt.Errorf("known hosts %q: line %d: want a broker, a host and a key", k.path, n)
		}
		if _, err := holdfast.ParsePublicKey(fields[2]); err != nil {
			return nil, fmt.Errorf("known hosts %q: line %d: %w", k.path, n, err)
		}
		if fields[0] == k.broker && fields[1] == host {
			keys = append(keys, fields[2])
		}
	}
	return keys, lines.Err()
}

// add remembers the keys. Where that can't be, the restore goes on: on a bad day
// the operator's key may lie on a medium that is read-only.
func (k knownHosts) add(host string, keys []ed25519.PublicKey) error {
	var lines strings.Builder
	for _, key := range keys {
		lines.WriteString(k.line(host, key) + "\n")
		k.warn(fmt.Sprintf("host %q: trusting its key %s by the broker's word alone, as it is not known yet", host, holdfast.FormatPublicKey(key)))
	}
	f, err := os.OpenFile(k.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err == nil {
		_, err = f.WriteString(lines.String())
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		k.warn(fmt.Sprintf("host %q: its keys can't be remembered: %v", host, err))
	}
	return nil
}
