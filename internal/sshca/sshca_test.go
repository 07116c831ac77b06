package sshca_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/sshca"
)

var now = time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)

// newKey returns a private key in OpenSSH's format and the line of its public half.
func newKey(t *testing.T, private any, passphrase string) (key secret.Secret, public string) {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(private, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return secret.New(string(pem.EncodeToMemory(block))), string(ssh.MarshalAuthorizedKey(signer.PublicKey()))
}

func newEd25519(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return private
}

func TestACertificateSaysWhoFromWhereUntilWhenAndWhatRuns(t *testing.T) {
	key, authority := newKey(t, newEd25519(t), "")
	a, err := sshca.New(key, sshca.Options{Principal: "backup", Command: "internal-sftp -d /{host} -m 0400", Life: 5 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	_, public := newKey(t, newEd25519(t), "")
	line, expires, err := a.Sign("web1", public, []netip.Prefix{netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("2001:db8::/64")}, now)
	if err != nil {
		t.Fatal(err)
	}
	if want := now.Add(5 * time.Minute); !expires.Equal(want) {
		t.Errorf("expires %s, want %s", expires, want)
	}
	parsed, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	cert := parsed.(*ssh.Certificate)
	checker := ssh.CertChecker{
		Clock:                    func() time.Time { return now },
		SupportedCriticalOptions: []string{"force-command"},
		IsUserAuthority: func(k ssh.PublicKey) bool {
			return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k))) == strings.TrimSpace(authority)
		},
	}
	if err := checker.CheckCert("backup", cert); err != nil {
		t.Errorf("as backup: %v", err)
	}
	if err := checker.CheckCert("root", cert); err == nil {
		t.Error("it is good for another user")
	}
	checker.Clock = func() time.Time { return expires.Add(time.Second) }
	if err := checker.CheckCert("backup", cert); err == nil {
		t.Error("it is good after its end")
	}
	want := ssh.Permissions{CriticalOptions: map[string]string{
		"force-command":  "internal-sftp -d /web1 -m 0400",
		"source-address": "192.0.2.7/32,2001:db8::/64",
	}}
	if diff := cmp.Diff(want.CriticalOptions, cert.CriticalOptions); diff != "" {
		t.Errorf("critical options (-want +got):\n%s", diff)
	}
	if len(cert.Extensions) > 0 {
		t.Errorf("it allows %v", cert.Extensions)
	}
	if a.PublicKey() != strings.TrimSpace(authority) {
		t.Errorf("authority %q, want %q", a.PublicKey(), authority)
	}
}

func TestNewRefuses(t *testing.T) {
	good, _ := newKey(t, newEd25519(t), "")
	locked, _ := newKey(t, newEd25519(t), "correct horse")
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	old, _ := newKey(t, private, "")
	for name, c := range map[string]struct {
		key     secret.Secret
		options sshca.Options
		want    string
	}{
		"no key":                 {secret.New("SECRET words"), sshca.Options{Principal: "backup"}, "not a private key"},
		"a key with passphrase":  {locked, sshca.Options{Principal: "backup"}, "passphrase"},
		"an RSA key":             {old, sshca.Options{Principal: "backup"}, "ssh-rsa"},
		"nobody to log in as":    {good, sshca.Options{}, "no user"},
		"a shell":                {good, sshca.Options{Principal: "backup", Command: "/bin/sh"}, "internal-sftp"},
		"a command that runs on": {good, sshca.Options{Principal: "backup", Command: "internal-sftp\nsh"}, "internal-sftp"},
		"one for a week":         {good, sshca.Options{Principal: "backup", Life: 7 * 24 * time.Hour}, "24h"},
		"one for a second":       {good, sshca.Options{Principal: "backup", Life: time.Second}, "1m"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := sshca.New(c.key, c.options)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "SECRET") {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestSignRefuses(t *testing.T) {
	key, _ := newKey(t, newEd25519(t), "")
	a, err := sshca.New(key, sshca.Options{Principal: "backup"})
	if err != nil {
		t.Fatal(err)
	}
	_, one := newKey(t, newEd25519(t), "")
	_, two := newKey(t, newEd25519(t), "")
	certificate, _, err := a.Sign("web1", one, nil, now)
	if err != nil {
		t.Fatal(err)
	}
	for name, public := range map[string]string{
		"nothing":           "",
		"no key":            "hello",
		"two keys":          one + two,
		"a certificate":     certificate,
		"a key of RSA":      "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7",
		"a private key":     key.Reveal(),
		"a key and a shell": one + "\ncommand=\"sh\" " + two,
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := a.Sign("web1", public, nil, now); err == nil {
				t.Error("it was signed")
			}
		})
	}
}
