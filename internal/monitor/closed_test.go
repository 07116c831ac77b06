package monitor

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/testenv"
	"github.com/holdfast-backup/holdfast/internal/token"
	"github.com/holdfast-backup/holdfast/internal/vault/sftp"
)

// A backup whose directory the server does not let us list: somebody made it so.
func TestABackupThatIsClosedBlindsNobodyToTheOthers(t *testing.T) {
	s := testenv.StartSSHD(t, testenv.SSHDOptions{})
	v, err := sftp.New(sftp.Options{
		Host: s.Host, Port: s.Port, User: s.User, Path: s.Path, Key: secret.New(s.Key), HostKeys: []string{s.Fingerprint}, Timeout: 20 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	h := newHouse(t)
	good := holdfast.Ref{Host: "web1", Job: "crm", ID: h.id(h.now.Add(-time.Hour))}
	data := dump{file: "crm.sql.zst.age", body: []byte(strings.Repeat("x", 2000))}
	doc, err := token.SignManifest(h.key, manifest(good, data))
	if err != nil {
		t.Fatal(err)
	}
	closed := holdfast.Ref{Host: "web1", Job: "crm", ID: h.id(h.now)}
	for key, body := range map[string][]byte{good.Key(data.file): data.body, good.ManifestKey(): doc, closed.ManifestKey(): doc} {
		if err := v.Put(t.Context(), key, body); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(s.Dir, filepath.Dir(closed.ManifestKey())), 0); err != nil {
		t.Fatal(err)
	}
	result, err := Run(t.Context(), v, h.opts)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := states(result), []string{"warning web1/crm stray"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if f := find(t, result, holdfast.CheckStray); !strings.Contains(f.Summary, closed.Key("")) {
		t.Errorf("got %q, want it to name %q", f.Summary, closed.Key(""))
	}
	if newest := result.Jobs[0].Newest; newest == nil || newest.ID != good.ID {
		t.Errorf("newest: got %+v, want %s", newest, good.ID)
	}
}
