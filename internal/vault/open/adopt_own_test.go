package open_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-backup/holdfast"
	"github.com/holdfast-backup/holdfast/internal/config"
	"github.com/holdfast-backup/holdfast/internal/testenv"
	"github.com/holdfast-backup/holdfast/internal/vault/open"
)

// watched returns a directory of others' files that Holdfast has taken up: with a
// backup of its own, and a mark that holds an adopted one.
func watched(t *testing.T) (dir string, own holdfast.Ref) {
	t.Helper()
	dir = t.TempDir()
	directory{dir}.put(t, "app/2025-10-28-02-00-00.zip", 10, time.Now().Add(-time.Hour))
	v, err := adopting(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	own = holdfast.Ref{Host: "web1", Job: "crm", ID: "20251028T140000Z-9f3c2a7d"}
	keys := []string{own.ManifestKey()}
	for o, err := range v.List(t.Context(), holdfast.BackupsPrefix) {
		if err != nil {
			t.Fatal(err)
		}
		if ref, file, _ := holdfast.ParseKey(o.Key); file == holdfast.ManifestFile {
			keys = append(keys, ref.HoldKey())
		}
	}
	if len(keys) != 2 {
		t.Fatalf("got %q, want one adopted backup", keys)
	}
	for _, key := range keys {
		if err := v.Put(t.Context(), key, []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	return dir, own
}

// owns returns the keys of the vault that are Holdfast's own.
func owns(t *testing.T, v holdfast.Lister) []string {
	t.Helper()
	var keys []string
	for o, err := range v.List(t.Context(), holdfast.BackupsPrefix) {
		if err != nil {
			t.Fatal(err)
		}
		if o.Adopted == nil {
			keys = append(keys, o.Key)
		}
	}
	return keys
}

// advice returns what an error says and what it advises.
func advice(err error) string {
	if err == nil {
		return "no error"
	}
	text := err.Error()
	if h, ok := err.(interface{ Hint() string }); ok {
		text += "\n" + h.Hint()
	}
	return text
}

// Whoever may make a folder there must not make holds and backups vanish by that.
func TestAnAdoptedDirectoryThatBecomesAVaultIsRefused(t *testing.T) {
	for name, folder := range map[string]string{
		"uploads": ".uploads", "a backup": "backups/web1/crm/20251028T150000Z-9f3c2a7d",
	} {
		t.Run(name, func(t *testing.T) {
			dir, _ := watched(t)
			if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
				t.Fatal(err)
			}
			_, err := adopting(t, dir)
			if got := advice(err); !strings.Contains(got, "one of the two would not be seen") || !strings.Contains(got, "to "+filepath.Join(dir, ".holdfast")+" alone") {
				t.Errorf("got %s", got)
			}
			// What the advice says mends it.
			if err := os.RemoveAll(filepath.Join(dir, strings.Split(folder, "/")[0])); err != nil {
				t.Fatal(err)
			}
			v, err := adopting(t, dir)
			if err != nil {
				t.Fatal(err)
			}
			if got := owns(t, v); len(got) != 2 {
				t.Errorf("got %q, want the backup and the hold", got)
			}
		})
	}
}

func TestHoldfastsOwnPlaceMustBeADirectory(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	if err := os.Symlink(elsewhere, filepath.Join(dir, ".holdfast")); err != nil {
		t.Fatal(err)
	}
	if _, err := adopting(t, dir); !strings.Contains(advice(err), "no directory") {
		t.Errorf("got %s", advice(err))
	}
}

// The end of switching over: the entry is taken out, and nothing vanishes.
func TestADirectoryThatIsNoLongerAdoptedNamesItsNewPath(t *testing.T) {
	dir, _ := watched(t)
	for _, create := range []bool{false, true} {
		_, err := open.Open(t.Context(), config.Vault{Disk: &config.Disk{Path: dir}}, open.Options{Create: create})
		if got := advice(err); !strings.Contains(got, "would not be seen") || !strings.Contains(got, "path is "+filepath.Join(dir, ".holdfast")) {
			t.Errorf("create %v: got %s", create, got)
		}
	}
	v, err := open.Open(t.Context(), config.Vault{Disk: &config.Disk{Path: filepath.Join(dir, ".holdfast")}}, open.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.(interface{ Close() error }).Close()
	if got := owns(t, v); len(got) != 2 {
		t.Errorf("got %q, want the backup and the hold", got)
	}
}

// The middle of switching over: the host sends by SFTP to where docs/adopt.md says.
func TestAHostSendsBySFTPBesideWhatIsAdopted(t *testing.T) {
	dir, own := watched(t)
	ssh := testenv.StartSSHD(t, testenv.SSHDOptions{})
	t.Setenv("TEST_ADOPT_SSH", ssh.Key)
	// The account sees the directory as its own.
	home := server{ssh}
	if err := os.Rename(filepath.Join(dir, "app"), filepath.Join(ssh.Dir, "app")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(ssh.Dir, ".holdfast"), os.DirFS(filepath.Join(dir, ".holdfast"))); err != nil {
		t.Fatal(err)
	}
	uid := home.uid(t)
	give := func(root string, uid int) {
		err := filepath.Walk(root, func(path string, _ os.FileInfo, err error) error {
			if err != nil {
				return err
			}
			return os.Lchown(path, uid, -1)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	give(filepath.Join(ssh.Dir, ".holdfast"), uid)
	there, err := open.Open(t.Context(), config.Vault{SFTP: &config.SFTP{
		Host: ssh.Host, Port: ssh.Port, User: ssh.User, Path: ssh.Path + "/.holdfast", Key: "env:TEST_ADOPT_SSH", HostKey: []string{ssh.Fingerprint},
	}}, open.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer there.(interface{ Close() error }).Close()
	sent := own
	sent.ID = "20251029T140000Z-9f3c2a7d"
	if err := send(t, there, sent.Key("db.sql.zst"), "a dump"); err != nil {
		t.Fatal(err)
	}
	if err := there.Put(t.Context(), sent.ManifestKey(), []byte("{}")); err != nil {
		t.Fatal(err)
	}
	give(ssh.Dir, os.Geteuid())
	v, err := adopting(t, ssh.Dir)
	if err != nil {
		t.Fatal(advice(err))
	}
	if got := owns(t, v); len(got) != 4 {
		t.Errorf("got %q, want two backups, one with data, and the hold", got)
	}
}

// send uploads an object of one part.
func send(t *testing.T, v holdfast.Vault, key, body string) error {
	t.Helper()
	u, err := v.StartUpload(t.Context(), key)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(body))
	part := holdfast.Part{Number: 1, Size: int64(len(body)), Sum: hex.EncodeToString(sum[:])}
	if err := v.(holdfast.Receiver).SendPart(t.Context(), u, part, strings.NewReader(body)); err != nil {
		return err
	}
	return v.CompleteUpload(t.Context(), u, []holdfast.Part{part}, part.Size)
}
