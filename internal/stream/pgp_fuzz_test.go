package stream

import (
	"bytes"
	"io"
	"os"
	"testing"
	"time"
)

// fuzzKey is a key made for this alone, so that the messages among the seeds
// decrypt.
func fuzzKey(t testing.TB) []byte {
	t.Helper()
	key, err := os.ReadFile("testdata/fuzz-key.asc")
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// FuzzMessage opens arbitrary bytes as a message. Nothing but what was encrypted
// comes out of it proven.
func FuzzMessage(f *testing.F) {
	const plain = "some plain text"
	ids := secretKeys(f, fuzzKey(f), "")
	f.Fuzz(func(t *testing.T, data []byte) {
		opened, err := openMessage(bytes.NewReader(data), nil, ids.OpenPGP)
		if err != nil {
			return
		}
		if got, err := io.ReadAll(opened); err == nil && string(got) != plain {
			t.Errorf("got %q", got)
		}
	})
}

// FuzzKeys reads arbitrary bytes as key files. What is taken for a public key is
// named as a manifest has to, and encrypts.
func FuzzKeys(f *testing.F) {
	f.Add(fuzzKey(f))
	f.Fuzz(func(t *testing.T, data []byte) {
		if secret, err := ParseSecretKeys(data, nil); err == nil && len(secret.keys) == 0 {
			t.Error("no secret key and no error")
		}
		keys, err := parsePublicKeys(data, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
		if err != nil {
			return
		}
		to, err := OpenPGP(keys...)
		if err != nil {
			t.Fatal(err)
		}
		if err := to.Encryption().Check(); err != nil {
			t.Error(err)
		}
		e, err := NewEncoder(io.Discard, Options{Compression: None, Recipients: to})
		if err == nil {
			err = e.Close()
		}
		if err != nil {
			t.Error(err)
		}
	})
}
