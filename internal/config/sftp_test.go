package config

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// certifying is a holdfast.yaml, on 11 lines, whose vault nas has certificates.
func certifying(certificates string) string {
	return strings.Replace(server("jobs: { crm: { vault: nas }, media: { vault: nas } }\n"), "vaults: { main: { disk: { path: /srv/b } } }", `vaults:
  nas:
    sftp:
      host: nas.example.com
      user: holdfast
      key: file:nas.key
      host_key: ['SHA256:uNiVztksCsDhcc0u9e8BrrCWGPmFAsVlXDzUpDJ3FmI']
      certificates: { authority: env:CA, `+certificates+` }
  main: { disk: { path: /srv/b } }`, 1)
}

func TestCertificatesOfAVault(t *testing.T) {
	c, err := ParseHoldfast("h.yaml", []byte(certifying("user: web1, command: internal-sftp -d /x, for: 24h")))
	if err != nil {
		t.Fatal(err)
	}
	got := c.Vaults["nas"].SFTP.Certificates
	if got.User != "web1" || got.Command != "internal-sftp -d /x" || got.For.Duration() != 24*time.Hour {
		t.Errorf("got %+v", got)
	}
}

func TestCertificatesThatAreWrong(t *testing.T) {
	const at = "h.yaml:9: vaults.nas.sftp.certificates."
	for certificates, want := range map[string]string{
		"for: 10m":                                       at + "user: is missing",
		"user: holdfast":                                 at + `user: "holdfast" is the vault's own user, who may remove backups; want one that hosts alone log in as`,
		"user: web1, for: 48h":                           at + "for: 48h: want 1m to 24h",
		"user: web1, for: 2d":                            at + "for: 2d: want 1m to 24h",
		"user: web1, for: 59s":                           at + "for: 59s: want 1m to 24h",
		"user: web1, for: 0":                             at + "for: 0: want 1m to 24h",
		"user: web1, command: /bin/sh":                   at + `command: "/bin/sh": want internal-sftp, and options of sftp-server if any`,
		"user: web1, command: internal-sftpd":            at + `command: "internal-sftpd": want internal-sftp, and options of sftp-server if any`,
		`user: web1, command: "internal-sftp -d /x\nsh"`: at + "command: want one line",
	} {
		t.Run(certificates, func(t *testing.T) {
			wantHoldfastError(t, certifying(certificates), want)
		})
	}
}

// OpenSSH lets nobody in with a certificate that names such a range.
func TestAnAddressThatIsNoRangeIsRefused(t *testing.T) {
	for address, want := range map[string]string{
		"10.0.0.5/24":    `"10.0.0.5/24": want the range 10.0.0.0/24, or the address 10.0.0.5`,
		"2001:db8::1/64": `"2001:db8::1/64": want the range 2001:db8::/64, or the address 2001:db8::1`,
		"10.0.0.0/33":    `"10.0.0.0/33": want an address, or a range of them, such as 203.0.113.0/24`,
	} {
		wantHoldfastError(t, strings.Replace(server(""), "jobs: [crm],", "jobs: [crm], addresses: [10.0.0.0/24, '2001:db8::1', '"+address+"'],", 1),
			"h.yaml:5: hosts.web2.addresses[2]: "+want)
	}
}

func wantHoldfastError(t *testing.T, text, want string) {
	t.Helper()
	_, err := ParseHoldfast("h.yaml", []byte(text))
	var problems Problems
	if !errors.As(err, &problems) {
		t.Fatalf("got %v, want Problems", err)
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("want - got +\n%s", diff)
	}
}
