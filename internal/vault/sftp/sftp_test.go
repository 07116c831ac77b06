package sftp

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/testenv"
	"github.com/holdfast-backup/holdfast/internal/vault/conform"
)

// options are those of a vault on the server.
func options(s *testenv.SSHD) Options {
	return Options{
		Host: s.Host, Port: s.Port, User: s.User, Path: s.Path, Key: secret.New(s.Key),
		HostKeys: []string{s.Fingerprint}, Create: true, Timeout: 20 * time.Second,
	}
}

func open(t testing.TB, o Options) *Vault {
	t.Helper()
	v, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	v.pause = time.Millisecond
	t.Cleanup(func() { v.Close() })
	return v
}

// unsigned are the checks that need a vault that signs or locks, which no SFTP
// server does.
func unsigned() []string {
	return []string{
		"part-size", "part-checksum", "part-method", "part-tampered", "part-expired", "part-repeated", "part-late",
		"download", "download-range", "download-method", "download-tampered", "download-expired", "delete-locked",
	}
}

func TestConformance(t *testing.T) {
	for name, kind := range map[string]testenv.SSHDOptions{"chroot": {}, "storage box": {Home: true}, "no rename": {Deny: []string{"rename"}}, "no hard links": {Deny: []string{"hardlink"}}} {
		t.Run(name, func(t *testing.T) {
			o := options(testenv.StartSSHD(t, kind))
			if kind.Home {
				o.Path = "vault/of/web1"
			}
			v := open(t, o)
			for _, r := range conform.Run(t.Context(), conform.NewEnv(v, http.DefaultClient)) {
				if r.Skipped() != slices.Contains(unsigned(), r.Name) || r.Err != nil && !r.Skipped() {
					t.Errorf("%s: %v", r.Name, r.Err)
				}
			}
			nothingLeft(t, v)
		})
	}
}

// nothingLeft fails the test if there is anything in the vault.
func nothingLeft(t *testing.T, v *Vault) {
	t.Helper()
	for o, err := range v.List(t.Context(), "") {
		t.Errorf("left behind: %+v, %v", o, err)
	}
	for u, err := range v.ListUploads(t.Context(), "") {
		t.Errorf("left behind: %+v, %v", u, err)
	}
}
