package retention

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/secret"
	"github.com/holdfast-backup/holdfast/internal/testenv"
	"github.com/holdfast-backup/holdfast/internal/vault/sftp"
)

// A backup whose directory the server does not let us list: somebody made it so.
func TestNothingOfAJobGoesWhileABackupIsClosed(t *testing.T) {
	s := testenv.StartSSHD(t, testenv.SSHDOptions{})
	v, err := sftp.New(sftp.Options{
		Host: s.Host, Port: s.Port, User: s.User, Path: s.Path, Key: secret.New(s.Key), HostKeys: []string{s.Fingerprint}, Timeout: 20 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	real, dirs := time.Now(), map[string]string{}
	for name, at := range map[string]time.Time{
		"good": real.Add(-time.Hour), "2": real.Add(-day), "3": real.Add(-2 * day), "one too many": real.Add(-3 * day), "closed": real.Add(-4 * day), "empty": real.Add(-5 * day),
	} {
		ref := holdfast.Ref{Host: "web1", Job: "crm", ID: idAt(at, 0)}
		dirs[name] = ref.Key("")
		for _, key := range []string{ref.Key("crm.sql.zst.age"), ref.ManifestKey()} {
			if err := v.Put(t.Context(), key, []byte("x")); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.RemoveAll(filepath.Join(s.Dir, dirs["empty"])); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(s.Dir, dirs["empty"]), 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(s.Dir, dirs["closed"]), 0); err != nil {
		t.Fatal(err)
	}
	summary := mustRun(t, v, keepLast(3), Options{Now: real})
	if stray := summary.Swept.Stray; stray.Count != 2 || strings.Join(stray.Keys, " ") != dirs["empty"]+" "+dirs["closed"] {
		t.Errorf("got %+v, want what is closed", stray)
	}
	if f := summary.Findings; len(f) != 2 || f[0].Check != holdfast.CheckRetentionBrake || f[0].Actual != dirs["empty"] || f[1].Check != holdfast.CheckRetentionStray {
		t.Errorf("got findings %+v, want a brake that names %s, and %s", f, dirs["empty"], holdfast.CheckRetentionStray)
	}
	for name, dir := range dirs {
		if _, err := os.Lstat(filepath.Join(s.Dir, dir)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if job := summary.Jobs[0]; job.Good != 4 || !job.Braked || len(job.Delete) != 1 || len(job.Outcome.Deleted) > 0 {
		t.Errorf("got %+v, want one of four to go, and none that has gone", job)
	}
}
