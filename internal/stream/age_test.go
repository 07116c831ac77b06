package stream

import (
	"bytes"
	"crypto/ed25519"
	"encoding/pem"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"
)

func TestRecipientsOfEveryKindDecrypt(t *testing.T) {
	classic := identity(t)
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	sshIdentity, err := agessh.ParseIdentity(pem.EncodeToMemory(block))
	if err != nil {
		t.Fatal(err)
	}
	sshPublic, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	sshText := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(sshPublic)))

	for _, tt := range []struct {
		name, text, canonical string
		identity              age.Identity
	}{
		{"age1…", classic.Recipient().String(), classic.Recipient().String(), classic},
		{"age1pq1…", hybrid.Recipient().String(), hybrid.Recipient().String(), hybrid},
		{"ssh-ed25519 with a comment", "  " + sshText + " root@web1\n", sshText, sshIdentity},
	} {
		t.Run(tt.name, func(t *testing.T) {
			recipients, err := ParseRecipients([]string{tt.text, tt.text})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{tt.canonical}, recipients.Names()); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
			stored, s := encode(t, []byte("plain"), Options{Compression: Zstd, Recipients: recipients})
			if got, err := decode(bytes.NewReader(stored), s, tt.identity); err != nil || string(got) != "plain" {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	if _, err := ParseRecipients([]string{classic.Recipient().String(), hybrid.Recipient().String()}); err == nil {
		t.Error("a classic and a hybrid recipient together: no error")
	}
	if _, err := ParseRecipients([]string{classic.Recipient().String(), sshText}); err != nil {
		t.Errorf("an age and an SSH recipient together: %v", err)
	}
}

func TestRecipientsThatAreNone(t *testing.T) {
	id := identity(t)
	for name, texts := range map[string][]string{
		"none":                 nil,
		"an empty text":        {""},
		"a private key":        {id.String()},
		"a key with a mistake": {id.Recipient().String()[:40] + "qqqq"},
		"an RSA key":           {"ssh-rsa AAAAB3NzaC1yc2E= me"},
		"half an SSH key":      {"ssh-ed25519 AAAA"},
		"a passphrase":         {"correct horse battery staple"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseRecipients(texts)
			if err == nil {
				t.Fatal("no error")
			}
			if len(texts) > 0 && texts[0] != "" && strings.Contains(err.Error(), texts[0]) {
				t.Errorf("the error quotes the text: %v", err)
			}
		})
	}
}

func FuzzParseRecipients(f *testing.F) {
	f.Add("age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p")
	f.Add("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJzZ2CrTTGmZyCQIUOhBzUDJbkgJxHIjiWn+ZdKr9kM3 a@b")
	f.Add("AGE-SECRET-KEY-1")
	f.Add("age1pq1")
	f.Fuzz(func(t *testing.T, text string) {
		recipients, err := ParseRecipients([]string{text})
		if err != nil {
			return
		}
		if len(recipients.Names()) != 1 {
			t.Fatalf("%d recipients", len(recipients.Names()))
		}
		if again, err := ParseRecipients(recipients.Names()); err != nil || again.Names()[0] != recipients.Names()[0] {
			t.Errorf("canonical %q reads %q, %v", recipients.Names(), again.Names(), err)
		}
	})
}

// FuzzDecoder feeds arbitrary bytes as a stored stream: whatever they are, they
// are not what the manifest says.
func FuzzDecoder(f *testing.F) {
	stored, _ := encode(f, []byte("some plain text"), Options{Compression: Zstd})
	f.Add(stored, uint8(0))
	stored, _ = encode(f, []byte("some plain text"), Options{Compression: Gzip})
	f.Add(stored, uint8(1))
	f.Add([]byte("age-encryption.org/v1\n-> X25519 "), uint8(2))
	f.Fuzz(func(t *testing.T, stored []byte, method uint8) {
		s := describe(Sums{1 << 16, sum([]byte("other")), int64(len(stored)), sum(stored)}, Options{Compression: methods[int(method)%len(methods)]})
		if _, err := decode(bytes.NewReader(stored), s); err == nil {
			t.Error("no error")
		}
	})
}
