package restore

import (
	"bytes"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"
	"golang.org/x/crypto/ssh"
)

// sealed returns text encrypted to the recipient.
func sealed(t *testing.T, r age.Recipient, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := age.Encrypt(&b, r)
	if err == nil {
		_, err = io.WriteString(w, text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func armored(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := armor.NewWriter(&b)
	w.Write(data)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestLoadIdentities(t *testing.T) {
	x, _ := age.GenerateX25519Identity()
	pq, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	scrypt, _ := age.NewScryptRecipient("correct horse")
	scrypt.SetWorkFactor(10)
	_, edKey, _ := ed25519.GenerateKey(nil)
	sshKey, err := ssh.MarshalPrivateKey(edKey, "")
	if err != nil {
		t.Fatal(err)
	}
	sshLocked, err := ssh.MarshalPrivateKeyWithPassphrase(edKey, "", []byte("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	sshPublic, _ := ssh.NewPublicKey(edKey.Public())
	sshRecipient, err := agessh.NewEd25519Recipient(sshPublic)
	if err != nil {
		t.Fatal(err)
	}
	file := "# created: now\n# public key: " + x.Recipient().String() + "\n" + x.String() + "\n"
	tests := []struct {
		name    string
		content []byte
		to      age.Recipient // which it must open; nil: an error with err in it
		err     string
	}{
		{"an age identity file", []byte(file), x.Recipient(), ""},
		{"a post-quantum identity", []byte(pq.String() + "\n"), pq.Recipient(), ""},
		{"an identity file with a passphrase", sealed(t, scrypt, file), x.Recipient(), ""},
		{"the same, armored", armored(t, sealed(t, scrypt, file)), x.Recipient(), ""},
		{"an SSH key", pem.EncodeToMemory(sshKey), sshRecipient, ""},
		{"an SSH key with a passphrase", pem.EncodeToMemory(sshLocked), sshRecipient, ""},
		{"a public key by mistake", []byte(x.Recipient().String() + "\n"), nil, "public key"},
		{"an identity with a typing error", []byte(x.String()[:70] + "QQQQ\n"), nil, "line 1"},
		{"something else", []byte("hunter2\n"), nil, "line 1"},
		{"a certificate", []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), nil, "neither"},
		{"a file encrypted to a key", sealed(t, x.Recipient(), file), nil, "not with a passphrase"},
		{"an empty file", nil, nil, "no identities"},
		{"a file that is far too large", make([]byte, maxIdentityFile+1), nil, "larger"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "id")
			if err := os.WriteFile(path, test.content, 0o600); err != nil {
				t.Fatal(err)
			}
			o := IdentityOptions{
				Passphrase: func(string) ([]byte, error) { return []byte("correct horse"), nil },
				Warn:       func(text string) { t.Errorf("warning: %s", text) },
			}
			identities, err := LoadIdentities([]string{path}, o)
			if test.to == nil {
				if err == nil || !strings.Contains(err.Error(), test.err) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), x.String()[:70]) {
					t.Errorf("got %v, want an error with %q and nothing of the file", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := age.Decrypt(bytes.NewReader(sealed(t, test.to, "x")), identities.Age...); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPassphrasesAreAskedForAndMayBeWrong(t *testing.T) {
	scrypt, _ := age.NewScryptRecipient("correct horse")
	scrypt.SetWorkFactor(10)
	x, _ := age.GenerateX25519Identity()
	path := filepath.Join(t.TempDir(), "id")
	os.WriteFile(path, sealed(t, scrypt, x.String()), 0o600)
	if _, err := LoadIdentities([]string{path}, IdentityOptions{}); err == nil || !strings.Contains(err.Error(), "passphrase") {
		t.Errorf("nobody to ask: got %v", err)
	}
	wrong := IdentityOptions{Passphrase: func(string) ([]byte, error) { return []byte("battery staple"), nil }}
	if _, err := LoadIdentities([]string{path}, wrong); err == nil || !strings.Contains(err.Error(), "wrong passphrase") {
		t.Errorf("wrong one: got %v", err)
	}
	stop := errors.New("stopped")
	if _, err := LoadIdentities([]string{path}, IdentityOptions{Passphrase: func(string) ([]byte, error) { return nil, stop }}); !errors.Is(err, stop) {
		t.Errorf("interrupted: got %v, want %v", err, stop)
	}
	asked := 0
	id := &passphraseIdentity{options: IdentityOptions{Passphrase: func(string) ([]byte, error) { asked++; return []byte("correct horse"), nil }}}
	for range 2 {
		if _, err := age.Decrypt(bytes.NewReader(sealed(t, scrypt, "x")), id); err != nil {
			t.Error(err)
		}
	}
	if _, err := age.Decrypt(bytes.NewReader(sealed(t, x.Recipient(), "x")), id); err == nil {
		t.Error("decrypted what is encrypted to a key")
	}
	if asked != 1 {
		t.Errorf("asked %d times, want once", asked)
	}
}

func TestLooseIdentityFileIsWarnedAbout(t *testing.T) {
	x, _ := age.GenerateX25519Identity()
	path := filepath.Join(t.TempDir(), "id")
	os.WriteFile(path, []byte(x.String()), 0o600)
	os.Chmod(path, 0o644)
	var warnings []string
	if _, err := LoadIdentities([]string{path}, IdentityOptions{Warn: func(text string) { warnings = append(warnings, text) }}); err != nil || len(warnings) != 1 {
		t.Errorf("got %v and warnings %q, want one", err, warnings)
	}
	if _, err := LoadIdentities([]string{path + "no"}, IdentityOptions{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want %v", err, os.ErrNotExist)
	}
}
