package direct_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/testenv"
	"github.com/holdfast-backup/holdfast/internal/vault/direct"
	"github.com/holdfast-backup/holdfast/internal/vault/sftp"
)

// sshd returns the configuration of a vault on a server of its own, with its key in
// a file that has a passphrase.
func sshd(t *testing.T) (config.SFTP, *testenv.SSHD) {
	t.Helper()
	s := testenv.StartSSHD(t, testenv.SSHDOptions{})
	private, public, err := testenv.NewSSHKey("open sesame")
	if err != nil {
		t.Fatal(err)
	}
	s.Authorize(t, public)
	file := filepath.Join(t.TempDir(), "nas.key")
	if err := os.WriteFile(file, []byte(private), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NAS_PASSPHRASE", "open sesame")
	return config.SFTP{
		Host: s.Host, Port: s.Port, User: s.User, Path: s.Path + "/web1", Key: secret.Ref("file:" + file),
		Passphrase: "env:NAS_PASSPHRASE", HostKey: []string{s.Fingerprint}, Requests: 16,
	}, s
}

func TestBothKindsAreOpenedFromTheirConfiguration(t *testing.T) {
	c, s := sshd(t)
	remote, err := direct.SFTP(t.Context(), c, direct.Options{})
	if err != nil {
		t.Fatal(err)
	}
	local, err := direct.Disk(filepath.Join(t.TempDir(), "vault"), direct.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]direct.Vault{"sftp": remote, "disk": local} {
		if err := v.Put(t.Context(), "backups/object", []byte("a body")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := v.Close(); err != nil {
			t.Errorf("%s: close: %v", name, err)
		}
	}
	if _, err := os.Stat(filepath.Join(s.Dir, "web1", "backups", "object")); err != nil {
		t.Error(err)
	}
}

func TestADirectoryOfThisMachineThatHasToBeThere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "vault")
	if _, err := direct.Disk(dir, direct.Options{Existing: true}); !errors.Is(err, direct.ErrNoDirectory) {
		t.Errorf("got error %v, want %v", err, direct.ErrNoDirectory)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("it was made")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	v, err := direct.Disk(dir, direct.Options{Existing: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
}

func TestADirectoryThatHasToBeThere(t *testing.T) {
	c, _ := sshd(t)
	v, err := direct.SFTP(t.Context(), c, direct.Options{Existing: true})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if err := v.Put(t.Context(), "backups/object", nil); !errors.Is(err, sftp.ErrNoDirectory) {
		t.Errorf("got error %v, want %v", err, sftp.ErrNoDirectory)
	}
}

func TestKeysAreFetchedByReferenceAndNotShown(t *testing.T) {
	c, _ := sshd(t)
	t.Setenv("WRONG", "open barley")
	for name, change := range map[string]func(c *config.SFTP){
		"no key":               func(c *config.SFTP) { c.Key = "file:/none" },
		"no passphrase":        func(c *config.SFTP) { c.Passphrase = "env:NONE" },
		"the wrong passphrase": func(c *config.SFTP) { c.Passphrase = "env:WRONG" },
		"nobody certifies":     func(c *config.SFTP) { c.Certificate = "nas" },
	} {
		c := c
		change(&c)
		v, err := direct.SFTP(t.Context(), c, direct.Options{})
		if err == nil {
			v.Close()
			t.Errorf("%s: no error", name)
			continue
		}
		if strings.Contains(err.Error(), "barley") || !strings.Contains(err.Error(), c.Host) {
			t.Errorf("%s: %v", name, err)
		}
	}
	fetched := map[secret.Ref]bool{}
	v, err := direct.SFTP(t.Context(), c, direct.Options{Secrets: func(ctx context.Context, ref secret.Ref) (secret.Secret, error) {
		fetched[ref] = true
		return secret.Local(ctx, ref)
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if !fetched[c.Key] || !fetched[c.Passphrase] {
		t.Errorf("fetched %v, want both", fetched)
	}
}
