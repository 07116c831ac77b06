package token

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestKeyFileRoundTrip(t *testing.T) {
	key, err := GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	text, err := EncodePrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "web1.key")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := LoadPrivateKey(path)
	if err != nil {
		t.Fatal(err)
	}
	if !got.Equal(key) {
		t.Error("the key that was read is another")
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o660, 0o620} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadPrivateKey(path); err == nil {
			t.Errorf("mode %04o was accepted", mode)
		}
	}
}

func TestWhatIsNoKeyIsRefusedWithoutShowingIt(t *testing.T) {
	text, err := EncodePrivateKey(seededKey("web1"))
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	inner := strings.Split(string(text), "\n")[1]
	for name, bad := range map[string]string{
		"empty":           "",
		"not PEM":         inner,
		"of another kind": string(pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der})),
		"another type":    strings.ReplaceAll(string(text), pemType, "OPENSSH PRIVATE KEY"),
		"two keys":        string(text) + string(text),
		"cut":             string(pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: []byte("x")})),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParsePrivateKey([]byte(bad))
			if err == nil {
				t.Fatal("was accepted")
			}
			if strings.Contains(err.Error(), inner) {
				t.Errorf("error shows the key: %v", err)
			}
		})
	}
}
