package site_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/site"
	"github.com/holdfast-backup/holdfast/internal/testenv"
)

// The vault of docs/sftp.md: retention removes backups there as the user holdfast.
func TestACertificateIsForTheHostsUserAlone(t *testing.T) {
	private, _, err := testenv.NewSSHKey("")
	if err != nil {
		t.Fatal(err)
	}
	_, public, err := testenv.NewSSHKey("")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("TEST_AUTHORITY", private)
	c := &config.Holdfast{Vaults: map[string]config.Vault{"web1-nas": {SFTP: &config.SFTP{
		Host: "nas.example.com", User: "holdfast", Path: "/srv/backup/web1/vault",
		Certificates: &config.SSHCertificates{Authority: "env:TEST_AUTHORITY", User: "web1"},
	}}}}
	all, err := site.Authorities(t.Context(), c, secret.Local)
	if err != nil {
		t.Fatal(err)
	}
	line, _, err := all["web1-nas"].Sign("web1", public, nil, time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"web1"}, key.(*ssh.Certificate).ValidPrincipals); diff != "" {
		t.Errorf("who may log in (-want +got):\n%s", diff)
	}
}
