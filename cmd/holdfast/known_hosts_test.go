package main

import (
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast"
)

func publicKey(t *testing.T) ed25519.PublicKey {
	t.Helper()
	key, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestKnownHosts(t *testing.T) {
	var warnings []string
	k := knownHosts{path: filepath.Join(t.TempDir(), "ops.key.known_hosts"), broker: "https://a.example",
		warn: func(text string) { warnings = append(warnings, text) }}
	first, retired, other := publicKey(t), publicKey(t), publicKey(t)

	got, err := k.choose("web1", []ed25519.PublicKey{first, retired})
	if err != nil || len(got) != 2 || len(warnings) != 2 || !strings.Contains(warnings[0], holdfast.FormatPublicKey(first)) {
		t.Fatalf("first use: got %v, %v, warnings %q", got, err, warnings)
	}
	info, err := os.Stat(k.path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("file: got %v, %v, want mode 0600", info, err)
	}
	warnings = nil
	if got, err := k.choose("web1", []ed25519.PublicKey{first}); err != nil || !slices.EqualFunc(got, []ed25519.PublicKey{first}, slices.Equal) {
		t.Errorf("one of the keys known: got %v, %v", got, err)
	}
	_, err = k.choose("web1", []ed25519.PublicKey{other, first})
	var advice interface{ Hint() string }
	if !errors.As(err, &advice) || !strings.Contains(advice.Hint(), k.line("web1", other)) || !strings.Contains(err.Error(), "web1") {
		t.Errorf("a changed key: got %v, want an error with the line to add", err)
	}
	if len(warnings) > 0 {
		t.Errorf("got warnings %q", warnings)
	}
	for name, another := range map[string]func() error{
		"another host": func() error { _, err := k.choose("web2", []ed25519.PublicKey{other}); return err },
		"another broker": func() error {
			elsewhere := k
			elsewhere.broker = "https://b.example"
			_, err := elsewhere.choose("web1", []ed25519.PublicKey{other})
			return err
		},
	} {
		if err := another(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := k.choose("web1", []ed25519.PublicKey{other}); err == nil {
		t.Error("a changed key, again: no error")
	}

	for _, line := range []string{"https://a.example web1\n", "https://a.example web1 nokey\n"} {
		if err := os.WriteFile(k.path, []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := k.choose("web1", []ed25519.PublicKey{first}); err == nil || !strings.Contains(err.Error(), "line 1") {
			t.Errorf("%q: got %v, want the line", line, err)
		}
	}
}

func TestKnownHostsThatCannotBeWrittenDoNotStopARestore(t *testing.T) {
	var warnings []string
	k := knownHosts{path: filepath.Join(t.TempDir(), "none", "known_hosts"), warn: func(text string) { warnings = append(warnings, text) }}
	if _, err := k.choose("web1", []ed25519.PublicKey{publicKey(t)}); err != nil || len(warnings) != 2 {
		t.Errorf("got %v, warnings %q", err, warnings)
	}
}

func TestTheKeysOfTheCommandLineAloneCount(t *testing.T) {
	own, given := publicKey(t), publicKey(t)
	p := &opening{hostKeys: []string{holdfast.FormatPublicKey(own)}}
	for _, o := range []*options{{}, {broker: "https://a.example", key: filepath.Join(t.TempDir(), "ops.key")}} {
		choose, err := p.choose(o, "web1", func(text string) { t.Error(text) })
		if err != nil {
			t.Fatal(err)
		}
		if got, err := choose([]ed25519.PublicKey{given}); err != nil || len(got) != 1 || !got[0].Equal(own) {
			t.Errorf("got %v, %v", got, err)
		}
	}
	if _, err := (&opening{hostKeys: []string{"ed25519:x"}}).choose(&options{}, "web1", nil); err == nil {
		t.Error("a key that is none: no error")
	}
}
