package stream

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/secret"
)

const goodPassphrase = "correct horse battery staple"

func scrypt(t *testing.T, passphrase string) *age.ScryptIdentity {
	t.Helper()
	id, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestAPassphraseDecrypts(t *testing.T) {
	to, err := Passphrase(secret.New(goodPassphrase))
	if err != nil {
		t.Fatal(err)
	}
	want := holdfast.Encryption{Format: "age", Recipients: []string{"passphrase"}}
	if diff := cmp.Diff(want, to.Encryption()); diff != "" || !to.Encryption().Passphrase() || want.Check() != nil {
		t.Errorf("want - got +\n%s%v", diff, want.Check())
	}
	plain := sqlLike(1 << 20)
	stored, s := encode(t, plain, Options{Compression: Zstd, Recipients: to})
	if got, err := decode(bytes.NewReader(stored), s, scrypt(t, goodPassphrase)); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	if _, err := decode(bytes.NewReader(stored), s, scrypt(t, "another passphrase")); !errors.Is(err, ErrNoIdentity) {
		t.Errorf("another passphrase: got %v", err)
	}
	again, _ := encode(t, plain, Options{Compression: Zstd, Recipients: to})
	if bytes.Equal(header(again), header(stored)) {
		t.Error("two streams have the same header, and so the same keys")
	}
}

// header returns the lines before the body of what age wrote.
func header(stored []byte) []byte {
	head, _, _ := bytes.Cut(stored, []byte("\n---"))
	return head
}

// The pusher promises to stay below 96 MiB; the header says what scrypt takes.
func TestAPassphraseTakesNoMoreMemoryThanThereIs(t *testing.T) {
	to, err := Passphrase(secret.New(goodPassphrase))
	if err != nil {
		t.Fatal(err)
	}
	stored, _ := encode(t, []byte("plain"), Options{Compression: None, Recipients: to})
	if line := string(bytes.Split(stored, []byte("\n"))[1]); !strings.HasPrefix(line, "-> scrypt ") || !strings.HasSuffix(line, " 14") {
		t.Errorf("got %q, want a work factor of 14: 16 MiB", line)
	}
}

func TestPassphrasesThatAreTooWeak(t *testing.T) {
	for name, text := range map[string]string{
		"none":                         "",
		"a short one":                  "Tr0ub4dor&3",
		"one character too short":      "abcdefghijklmnopqrs",
		"a long one of few characters": strings.Repeat("hunter2", 5),
		"one with a line end":          "correct horse\nbattery staple",
		"one with an umlaut":           "richtiges pferd batterie ä",
		"one with a space behind":      goodPassphrase + " ",
	} {
		_, err := Passphrase(secret.New(text))
		if err == nil {
			t.Errorf("%s: no error", name)
		} else if text != "" && (strings.Contains(err.Error(), text) || strings.Contains(err.Error(), "horse")) {
			t.Errorf("%s: the error quotes it: %v", name, err)
		}
	}
	for _, text := range []string{goodPassphrase, "abcdefghijklmnopqrst", "dGhpcyBpcyBub3QgYSBrZXk="} {
		if _, err := Passphrase(secret.New(text)); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}
